// What was acknowledged is there after a close, and after a kill -9; and one folder has one user.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import t from 'tap'
import { FolderInUse } from '../../../plugins/store-sqlite/folder-lock.ts'
import { openSqliteStore } from '../../../plugins/store-sqlite/store.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import { fill, text, town, withGroup } from '../../contract/engine.ts'
import { forEachEngine, openStore } from './engines.ts'

await t.test('a store that is opened again', (t) =>
  forEachEngine(t, async (t, engine) => {
    await t.test('has everything, and goes on counting', async (t) => {
      const folder = t.testdir()
      const options = { folder, clock: () => 7, ...engine }
      const first = await openSqliteStore(options)
      await withGroup(first, 'alice', 'bob')
      await first.log.append([text('alice', '1'), text('bob', '2')], 5)
      const cursors = [{ conversation: town, acked: 1, sent: 2 }]
      const subscriptions = [{ filter: 'g/+/msg', qos: 1 }] as const
      await first.devices.save({ user: 'bob', device: 'pad', subscriptions, cursors })
      const packet = { device: 'pad', packetId: 9, isRepeat: true, fingerprint: 1 }
      await first.log.append([{ ...text('bob', 'p'), packet }], 5)
      await first.users.createUser('carol', 'hash')
      await first.close()

      const second = await openStore(t, options)
      t.match(await second.log.append([text('bob', '2'), text('bob', '3')], 6), [
        { kind: 'duplicate', seq: 2, at: 5 },
        { kind: 'appended', seq: 4, at: 6 },
      ])
      t.match(await second.log.append([{ ...text('bob'), packet }], 6), [
        { kind: 'duplicate', seq: 3, at: 5 },
      ])
      t.equal((await second.log.read(town, { limit: 10 })).length, 4)
      t.match(await second.conversations.membership(town, 'bob'), { role: 'member', head: 4 })
      t.strictSame(await second.devices.find('bob', 'pad'), { subscriptions, cursors })
      t.equal(await second.users.passwordHash('carol'), 'hash')
    })

    await t.test('ends the sessions whose devices were here, when they have said so', async (t) => {
      const options = { folder: t.testdir(), ...engine }
      const first = await openSqliteStore({ ...options, clock: () => 5 })
      await withGroup(first, 'bob')
      for (const [device, expiryMs] of [['short', 1000], ['usual'], ['away', 1000]] as const) {
        await first.devices.save({ user: 'bob', device, expiryMs, subscriptions: [] })
      }
      await first.devices.endAt({ user: 'bob', device: 'away' }, 600)
      await first.close()
      const second = await openStore(t, { ...options, clock: () => 7 })
      t.equal((await second.devices.find('bob', 'short'))?.endsAt, 1007)
      t.equal((await second.devices.find('bob', 'away'))?.endsAt, 600, 'it had gone before')
      t.equal((await second.devices.find('bob', 'usual'))?.endsAt, undefined)
    })

    await t.test('finishes what was asked for before it closes, and refuses later', async (t) => {
      const folder = t.testdir()
      const store = await openSqliteStore({ folder, clock: Date.now, ...engine })
      await withGroup(store, 'alice')
      const appends = Array.from({ length: 20 }, () => store.log.append([text('alice')], 1))
      const closed = Promise.all([store.close(), store.close()])
      t.equal((await Promise.all(appends)).flat().length, 20)
      await closed
      await t.rejects(store.log.append([text('alice')], 1), { message: 'the store is closed' })
      await t.rejects(store.log.read(town, { limit: 1 }), { message: 'the store is closed' })
      await t.rejects(store.check(), { message: 'the store is closed' })
      const again = await openStore(t, { folder, ...engine })
      t.equal((await again.log.read(town, { limit: 100 })).length, 20)
    })

    await t.test('keeps its write-ahead log bounded while it is read', async (t) => {
      const folder = t.testdir()
      const store = await withGroup(await openStore(t, { folder, ...engine }), 'alice')
      for (let batch = 0; batch < 30; batch++) {
        await fill(store, 50, 64 * 1024)
        await store.conversations.membershipsOf('alice')
        await store.log.read(town, { limit: 3 })
        await store.users.userExists('alice')
      }
      const walBytes = statSync(join(folder, 'parley.db-wal')).size
      t.ok(walBytes < 48e6, `${Math.round(walBytes / 1e6)} MB of log for 98 MB of messages`)
    })
  }),
)

await t.test('a process that is killed', async (t) => {
  await t.test('loses nothing acknowledged, and gives the folder back', async (t) => {
    const folder = t.testdir()
    let acknowledged = 0
    for (let round = 0; round < 3; round++) {
      acknowledged = await appendAndKill(t, folder, acknowledged + 200)
      const store = await openSqliteStore({ folder, clock: Date.now })
      const stored = await store.log.read(town, { limit: 1e6 })
      await store.close()
      t.ok(stored.length >= acknowledged, `${acknowledged} acknowledged, ${stored.length} stored`)
      t.strictSame(
        stored.map(({ seq, body }) => `${seq} ${body.messageId}`),
        stored.map((_, index) => `${index + 1} m${index + 1}`),
      )
      acknowledged = stored.length
    }
  })
})

await t.test('a folder', (t) =>
  forEachEngine(t, async (t, engine) => {
    await t.test('cannot be opened twice by one process', async (t) => {
      const folder = t.testdir()
      const first = await withGroup(await openStore(t, { folder, ...engine }), 'alice')
      await t.rejects(openSqliteStore({ folder, clock: Date.now, ...engine }), FolderInUse)
      await t.rejects(openSqliteStore({ folder, clock: Date.now, ...engine }), FolderInUse)
      t.match(await first.log.append([text('alice')], 1), [{ seq: 1 }], 'and the first goes on')
      await first.close()
      await openStore(t, { folder, ...engine })
    })

    await t.test('is made for its owner only', async (t) => {
      const folder = join(t.testdir(), 'deep', 'data')
      await openStore(t, { folder, ...engine })
      t.equal(statSync(folder).mode & 0o777, 0o700)
      t.equal(statSync(join(folder, 'parley.db')).mode & 0o777, 0o600)
    })

    await t.test('that cannot be made is a failure', async (t) => {
      const folder = join(t.testdir({ file: 'no folder' }), 'file', 'data')
      await t.rejects(openSqliteStore({ folder, clock: Date.now, ...engine }), StoreFailure)
    })
  }),
)

/** Runs the child until it has acknowledged this seq, and kills it; returns the last seq it
 * acknowledged. */
async function appendAndKill(t: Test, folder: string, until: number): Promise<number> {
  const script = fileURLToPath(new URL('./child.js', import.meta.url))
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  let acknowledged = 0
  let isTried = false
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged = Number(line)
    if (!isTried) {
      isTried = true
      await t.rejects(openSqliteStore({ folder, clock: Date.now }), FolderInUse, 'it is locked')
    }
    if (acknowledged >= until) child.kill('SIGKILL')
  }
  await exited
  t.ok(acknowledged >= until, 'it was killed at work')
  return acknowledged
}
