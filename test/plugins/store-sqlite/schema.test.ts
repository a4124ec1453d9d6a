// Databases of other versions: older ones are brought up, newer ones are refused.

import { join } from 'node:path'
import t from 'tap'
import { connect, loadDriver } from '../../../plugins/store-sqlite/connect.ts'
import { migrate, schemaVersion } from '../../../plugins/store-sqlite/schema.ts'
import { openSqliteStore } from '../../../plugins/store-sqlite/store.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import { forEachDriver, openStore } from './engines.ts'

await forEachDriver(t, async (t, driver) => {
  await t.test('a database of a newer version is refused and left alone', async (t) => {
    const folder = t.testdir()
    const options = { folder, driver, clock: Date.now }
    await (await openSqliteStore(options)).close()
    const file = (await loadDriver(driver))(join(folder, 'parley.db'))
    file.exec(`PRAGMA user_version = ${schemaVersion + 1}`)
    await t.rejects(openSqliteStore(options), { message: /newer program/ })
    const version = file.prepare<{ user_version: number }>('PRAGMA user_version')
    t.equal(version.get([])?.user_version, schemaVersion + 1)
    file.exec(`PRAGMA user_version = ${schemaVersion}`)
    file.close()
    await openStore(t, options)
  })

  await t.test(
    'an older database is brought up: members are counted, old history is read',
    async (t) => {
      const folder = t.testdir()
      const file = (await loadDriver(driver))(join(folder, 'parley.db'))
      migrate(file, 1)
      file.exec(`
      INSERT INTO users (id, created_at) VALUES ('alice', 1), ('bob', 1);
      INSERT INTO conversations (key, id, kind, group_id, title, created_at)
      VALUES (1, 'g:town', 'group', 'town', '"Town"', 1), (2, 'g:void', 'group', 'void', '""', 1);
      INSERT INTO members (conversation, user, role, joined_seq)
      VALUES (1, 'alice', 'owner', 0), (1, 'bob', 'member', 0), (2, 'bob', 'owner', 0);
      INSERT INTO messages (conversation, seq, sender, at, kind, fields)
      VALUES (1, 1, 1, 1, 'text', ''), (1, 2, 1, 1, 'text', ''), (1, 3, 1, 1, 'text', '');
      INSERT INTO devices (key, user, device, subscriptions, last_seen)
      VALUES (1, 'bob', 'a', '[]', 1), (2, 'bob', 'b', '[]', 1), (3, 'alice', 'c', '[]', 1);
      INSERT INTO cursors (device, conversation, acked, sent)
      VALUES (1, 1, 1, 2), (2, 1, 2, 2), (3, 1, 3, 3);
    `)
      file.close()
      const { conversations } = await openStore(t, { folder, driver })
      const memberships = await conversations.membershipsOf('bob')
      t.match(memberships, [
        { members: 2, delivered: 2, read: 3, head: 3, mutedUntil: 0 },
        { members: 1, delivered: 0, read: 0, mutedUntil: 0 },
      ])
      t.match(await conversations.membership('g:town', 'alice'), { delivered: 3, read: 3 })
    },
  )

  await t.test('a step that fails leaves the database as it was', async (t) => {
    const file = (await loadDriver(driver))(join(t.testdir(), 'parley.db'))
    // In the way of the first step, after it has made other tables.
    file.exec('CREATE TABLE cursors (x)')
    t.throws(() => migrate(file), { code: 1 })
    const tables = file.prepare<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type='table'",
    )
    t.strictSame(
      tables.all([]).map(({ name }) => name),
      ['cursors'],
    )
    t.equal(file.prepare<{ user_version: number }>('PRAGMA user_version').get([])?.user_version, 0)
    file.exec('DROP TABLE cursors')
    migrate(file)
    migrate(file)
    file.close()
  })

  await t.test('a folder whose database cannot be opened is given back', async (t) => {
    const folder = t.testdir({
      'parley.db': 'this is no database, and never was one. '.repeat(200),
    })
    const error = await openSqliteStore({ folder, driver, clock: Date.now }).then(
      () => undefined,
      (error: unknown) => error,
    )
    t.match(error, { name: 'OperatorFault', message: /parley\.db .*is damaged/ })
    t.notOk(error instanceof StoreFailure, 'it will not pass by itself')
    await t.rejects(openSqliteStore({ folder, driver, clock: Date.now }), {
      name: 'OperatorFault',
    })
  })

  await t.test('a connection waits for the disk at each commit, and for no lock', async (t) => {
    const file = connect(await loadDriver(driver), join(t.testdir(), 'parley.db'), { pagesMax: 99 })
    const setting = (name: string): unknown =>
      Object.values(file.prepare<object>(`PRAGMA ${name}`).get([]) ?? {})[0]
    t.equal(setting('journal_mode'), 'wal')
    t.equal(setting('synchronous'), 2, 'FULL')
    t.equal(setting('foreign_keys'), 1)
    t.equal(setting('busy_timeout'), 0)
    t.equal(setting('max_page_count'), 99)
    file.close()
  })
})
