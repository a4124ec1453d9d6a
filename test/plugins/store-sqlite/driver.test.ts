// Both engines behave the same behind the driver's interface, and nothing unchecked reaches libsql.

import { join } from 'node:path'
import fc from 'fast-check'
import type { Test } from 'tap'
import t from 'tap'
import { loadDriver } from '../../../plugins/store-sqlite/connect.ts'
import type { DriverName, SqlDriver, SqlValue } from '../../../plugins/store-sqlite/driver.ts'
import { SqliteError, SqliteFailure } from '../../../plugins/store-sqlite/driver.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import { forEachDriver } from './engines.ts'

async function openTable(t: Test, name: DriverName): Promise<SqlDriver> {
  const driver = (await loadDriver(name))(join(t.testdir(), 'test.db'))
  driver.exec('CREATE TABLE things (key INTEGER PRIMARY KEY, word TEXT UNIQUE, bytes BLOB)')
  return driver
}

await forEachDriver(t, async (t, name) => {
  await t.test('counts changes and gives rows with the columns only', async (t) => {
    const driver = await openTable(t, name)
    const insert = driver.prepare('INSERT INTO things (word) VALUES (?) ON CONFLICT DO NOTHING')
    t.equal(insert.run(['one']).changes, 1)
    t.equal(insert.run(['one']).changes, 0)
    const select = driver.prepare<object>('SELECT key, word FROM things WHERE key = ?')
    t.strictSame({ ...select.get([1]) }, { key: 1, word: 'one' })
    t.strictSame(
      select.all([1]).map((row) => ({ ...row })),
      [{ key: 1, word: 'one' }],
    )
    t.equal(select.get([2]), undefined)
    t.equal(select.get([null]), undefined)
    t.strictSame(select.all([2]), [])
    driver.close()
  })

  await t.test('takes every kind of value', async (t) => {
    const driver = await openTable(t, name)
    const types = (value: SqlValue): unknown =>
      driver.prepare<{ type: string }>('SELECT typeof(?) AS type').get([value])?.type
    t.equal(types('x'), 'text')
    t.equal(types(null), 'null')
    t.equal(types(Buffer.from([1])), 'blob')
    t.equal(types(2n ** 62n), 'integer')
    t.equal(types(1.5), 'real')
    const time = 1_795_364_606_054
    driver.prepare('INSERT INTO things (key) VALUES (?)').run([time])
    t.equal(driver.prepare<{ key: number }>('SELECT key FROM things').get([])?.key, time)
    driver.close()
  })

  await t.test(
    'throws a failure for what may pass, an error with its code for the rest',
    async (t) => {
      const driver = await openTable(t, name)
      const insert = driver.prepare('INSERT INTO things (word, bytes) VALUES (?, ?)')
      insert.run(['one', null])
      t.throws(() => insert.run(['one', null]), { name: 'SqliteError', code: 2067 })
      t.throws(() => driver.exec('SELEC'), { name: 'SqliteError', code: 1 })
      t.throws(() => driver.prepare('SELECT * FROM nowhere'), SqliteError)
      driver.exec('PRAGMA max_page_count = 5')
      t.throws(() => insert.run(['two', Buffer.alloc(100_000)]), {
        name: 'SqliteFailure',
        code: 13,
      })
      t.ok(new SqliteFailure(13, new Error('full')) instanceof StoreFailure)
      insert.run(['three', null])
      driver.close()
      t.throws(() => insert.run(['four', null]), 'a closed driver does nothing')
    },
  )

  await t.test('one statement may be used in every way, one after the other', async (t) => {
    const way = fc.constantFrom('run' as const, 'get' as const, 'all' as const)
    const step = fc.record({ write: fc.boolean(), way, key: fc.nat(8), word: fc.nat(8) })
    const driver = await openTable(t, name)
    const sql = 'INSERT INTO things (key, word) VALUES (?, ?) RETURNING key'
    const insert = driver.prepare<{ key: number }>(sql)
    const select = driver.prepare<{ word: string }>('SELECT word FROM things WHERE key = ?')
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 30 }), (steps) => {
        driver.exec('DELETE FROM things')
        const truth = new Map<number, string>()
        for (const { write, way, key, word } of steps) {
          const isTaken = truth.has(key) || [...truth.values()].includes(`${word}`)
          if (write) {
            const isRefused = throwsError(() => insert[way]([key, `${word}`]))
            if (isRefused !== isTaken) return false
            if (!isTaken) truth.set(key, `${word}`)
          } else {
            const row = way === 'all' ? select.all([key])[0] : select.get([key])
            if (row?.word !== truth.get(key)) return false
          }
        }
        return true
      }),
      { numRuns: 100 },
    )
    driver.close()
    t.pass('on 100 histories')
  })

  await t.test('fails where no database can be', async (t) => {
    const open = await loadDriver(name)
    const file = join(t.testdir(), 'nowhere', 'test.db')
    t.throws(() => open(file), { name: /^(Store|Sqlite)Failure$/ })
  })
})

await t.test('libsql is never given what would abort the process', async (t) => {
  const driver = await openTable(t, 'libsql')
  const insert = driver.prepare('INSERT INTO things (word) VALUES (?)')
  const bad: unknown[] = [
    true,
    undefined,
    new Uint8Array(1),
    {},
    [],
    Symbol('s'),
    new Date(),
    () => 1,
  ]
  for (const value of [...bad, 2n ** 64n, 'a\0b']) {
    const params = [value] as SqlValue[]
    for (const method of ['run', 'get', 'all'] as const) {
      t.throws(() => insert[method](params), TypeError, `${typeof value} to ${method}`)
    }
  }
  t.strictSame(driver.prepare('SELECT * FROM things').all([]), [], 'nothing was stored')
  driver.close()
})

await t.test('an engine that is not there is an error', async (t) => {
  const name = (await loadDriver())(join(t.testdir(), 'test.db')).name
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isBuiltIn = major > 22 || (major === 22 && minor >= 13)
  t.equal(name, isBuiltIn ? 'node' : 'libsql', 'the default is what the runtime has')
  if (isBuiltIn) await t.resolves(loadDriver('node'))
  else await t.rejects(loadDriver('node'), { message: 'this runtime has no node:sqlite' })
})

function throwsError(work: () => unknown): boolean {
  try {
    work()
    return false
  } catch (error) {
    if (error instanceof SqliteError) return true
    throw error
  }
}
