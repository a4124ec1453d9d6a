// A store that cannot commit now says so, stores nothing, and works again by itself. Real locks,
// real limits.

import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { loadDriver } from '../../../plugins/store-sqlite/connect.ts'
import type { SqliteStore } from '../../../plugins/store-sqlite/store.ts'
import { startWorkerWriter } from '../../../plugins/store-sqlite/worker-writer.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import { fill, text, town, withGroup } from '../../contract/engine.ts'
import { forEachDriver, forEachEngine, openStore } from './engines.ts'

await forEachEngine(t, async (t, engine) => {
  await t.test('a database locked by another program', async (t) => {
    const folder = t.testdir()
    const store = await withGroup(await openStore(t, { folder, ...engine }), 'alice', 'bob')
    await fill(store, 3)
    const other = (await loadDriver(engine.driver))(join(folder, 'parley.db'))
    other.exec('BEGIN IMMEDIATE')
    const start = performance.now()
    await failsNow(t, store.log.append([text('alice', 'a')], 1))
    await failsNow(t, store.check())
    await failsNow(t, store.users.createUser('carol', undefined))
    await failsNow(t, store.conversations.ensureDirect('alice', 'bob'))
    t.ok(performance.now() - start < 1000, 'fails at once')
    t.equal((await store.log.read(town, { limit: 10 })).length, 3, 'reads go on')
    other.exec('ROLLBACK')
    other.close()
    await store.check()
    t.strictSame(await store.log.append([text('alice', 'a')], 2), [
      { kind: 'appended', seq: 4, at: 2 },
    ])
    t.equal(await store.users.createUser('carol', undefined), 'created')
  })

  await t.test('a database that is full', async (t) => {
    const store = await openStore(t, { ...engine, pagesMax: 150 })
    await withGroup(store, 'alice', 'bob')
    const subscriptions = [{ filter: 'x'.repeat(300_000), qos: 1 }] as const
    await store.devices.save({ user: 'alice', device: 'large', subscriptions })
    const stored = await appendUntilFailure(t, store)
    await failsNow(t, store.check())
    await failsNow(t, store.log.append([text('alice', 'x'), ...large(20)], 1))
    await checkStored(t, store, stored)

    await store.devices.forget('alice', 'large')
    await store.check()
    t.match(await store.log.append([text('alice', 'x'), text('alice', 'x')], 1), [
      { kind: 'appended', seq: stored + 1 },
      { kind: 'duplicate', seq: stored + 1 },
    ])
    await checkStored(t, store, stored + 1)
  })

  const skip = !hasPrlimit() && 'no prlimit (util-linux) to limit the size of files with'
  await t.test('writes that the system refuses', { skip }, async (t) => {
    const folder = t.testdir()
    const store = await withGroup(await openStore(t, { folder, ...engine }), 'alice')
    await fill(store, 100, 1000)
    const size = statSync(join(folder, 'parley.db-wal')).size
    // Handled, the signal of a file that would grow too large is an error of the write instead.
    const ignore = (): void => undefined
    process.on('SIGXFSZ', ignore)
    t.teardown(() => {
      limitFileSize('unlimited')
      process.off('SIGXFSZ', ignore)
    })
    limitFileSize(`${size + 50_000}`)
    const stored = 100 + (await appendUntilFailure(t, store))
    await failsNow(t, store.check())
    await checkStored(t, store, stored)
    limitFileSize('unlimited')
    await store.check()
    t.match(await store.log.append([text('alice', 'x')], 1), [{ seq: stored + 1 }])
    await checkStored(t, store, stored + 1)
  })
})

await forEachDriver(t, async (t, driver) => {
  await t.test('the writer thread', async (t) => {
    await t.test('that cannot open its database fails to start', async (t) => {
      const file = join(t.testdir(), 'nowhere', 'parley.db')
      await failsNow(t, startWorkerWriter({ file, driver, pagesMax: undefined }))
    })

    await t.test('refuses what goes over the bound of its queue', async (t) => {
      const store = await openStore(t, { driver, writer: 'worker' })
      const calls = Array.from({ length: 4200 }, (_, n) => store.devices.forget('alice', `${n}`))
      const settled = await Promise.allSettled(calls)
      const refused = settled.flatMap((call) => (call.status === 'rejected' ? [call.reason] : []))
      t.equal(refused.length, 4200 - 4096)
      t.ok(refused.every((reason) => reason instanceof StoreFailure))
      await store.check()
    })
  })
})

/** The promise must reject with a StoreFailure (t.rejects would not take one of a subclass). */
async function failsNow(t: Test, promise: Promise<unknown>): Promise<void> {
  const reason = await promise.then(
    () => 'nothing: it resolved',
    (error: unknown) => error,
  )
  t.ok(reason instanceof StoreFailure, `fails with ${reason}`)
}

function large(count: number) {
  const body = { kind: 'text', messageId: undefined, fields: `"text":"${'x'.repeat(4000)}"` }
  return Array.from({ length: count }, () => text('alice', undefined, { body }))
}

/** Appends until the store fails, which it must; returns how many entries were stored. */
async function appendUntilFailure(t: Test, store: SqliteStore): Promise<number> {
  for (let stored = 0; stored < 1000; stored += 5) {
    try {
      await store.log.append(large(5), 1)
    } catch (error) {
      t.ok(error instanceof StoreFailure, `fails after ${stored}: ${(error as Error).message}`)
      return stored
    }
  }
  throw new Error('the store never failed')
}

async function checkStored(t: Test, store: SqliteStore, count: number): Promise<void> {
  const entries = await store.log.read(town, { limit: 10_000 })
  t.strictSame(
    entries.map(({ seq }) => seq),
    Array.from({ length: count }, (_, index) => index + 1),
    `exactly ${count} entries are there`,
  )
}

/** Limits how large this process may make a file, by the soft limit only. */
function limitFileSize(bytes: string): void {
  execFileSync('prlimit', ['--pid', `${process.pid}`, `--fsize=${bytes}:`])
}

function hasPrlimit(): boolean {
  try {
    execFileSync('prlimit', ['--version'])
    return true
  } catch {
    return false
  }
}
