// Writes that are committed together: each is all or none by itself, and one commit serves all.

import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { connect, loadDriver } from '../../../plugins/store-sqlite/connect.ts'
import type { SqlDriver } from '../../../plugins/store-sqlite/driver.ts'
import type { Call } from '../../../plugins/store-sqlite/group-commit.ts'
import { makeCommitGroup } from '../../../plugins/store-sqlite/group-commit.ts'
import { migrate } from '../../../plugins/store-sqlite/schema.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import { directConversation } from '../../../protocol/ids.ts'
import { text } from '../../contract/engine.ts'
import { forEachDriver } from './engines.ts'

const user =
  (id: string): Call =>
  (writes) =>
    writes.createUser(id, undefined, 1)
const talk =
  (a: string, b: string): Call =>
  (writes) =>
    writes.createDirect(a, b, 1)
const say =
  (from: string, to: string, content = 'x'): Call =>
  (writes) => {
    const conversation = directConversation(from, to)
    const fields = `"text":"${content}"`
    return writes.append([{ ...text(from), conversation, body: { ...text(from).body, fields } }], 1)
  }

await forEachDriver(t, async (t, name) => {
  const setup = async (t: Test) => {
    const open = await loadDriver(name)
    const file = join(t.testdir(), 'parley.db')
    const drivers = [connect(open, file, {}), connect(open, file, {})] as const
    t.teardown(() => drivers.forEach((driver) => void driver.close()))
    migrate(drivers[0])
    return { driver: drivers[0], commitGroup: makeCommitGroup(drivers[0]), other: drivers[1] }
  }
  const count = (driver: SqlDriver, table: string) =>
    driver.prepare<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).get([])?.n

  await t.test('a group is durable as a whole, with the outcome of each', async (t) => {
    const { commitGroup, other } = await setup(t)
    const outcomes = commitGroup([user('alice'), user('bob'), user('alice'), talk('alice', 'bob')])
    t.strictSame(
      outcomes.map((it) => 'value' in it && it.value),
      ['created', 'created', 'exists', true],
    )
    t.equal(count(other, 'users'), 2)
    const [said] = commitGroup([say('alice', 'bob')])
    t.match(said, { value: [{ kind: 'appended', seq: 1 }] })
  })

  await t.test('nobody else sees a part of a group', async (t) => {
    const { commitGroup, other } = await setup(t)
    const seen: unknown[] = []
    commitGroup([user('alice'), () => seen.push(count(other, 'users')), user('bob')])
    t.strictSame(seen, [0])
    t.equal(count(other, 'users'), 2)
  })

  await t.test('a write that is at fault is undone alone', async (t) => {
    const { commitGroup, other } = await setup(t)
    const outcomes = commitGroup([
      user('alice'),
      (writes) => writes.append([text('alice', 'a')], 1),
      user('bob'),
    ])
    t.match(outcomes, [{ value: 'created' }, { error: Error }, { value: 'created' }])
    t.equal(count(other, 'users'), 2)
  })

  await t.test('a locked database fails each of a group, and nothing is left', async (t) => {
    const { commitGroup, other } = await setup(t)
    other.exec('BEGIN IMMEDIATE')
    const outcomes = commitGroup([user('alice'), user('bob')])
    t.ok(outcomes.every((it) => 'error' in it && it.error instanceof StoreFailure))
    other.exec('ROLLBACK')
    t.equal(count(other, 'users'), 0)
    t.match(commitGroup([user('alice'), user('bob')]), [{ value: 'created' }, { value: 'created' }])
  })

  await t.test('when the disk is full in the midst of a group, what fits is stored', async (t) => {
    const { driver, commitGroup, other } = await setup(t)
    commitGroup([user('alice'), user('bob'), user('carol'), talk('alice', 'bob')])
    const pages = driver.prepare<{ page_count: number }>('PRAGMA page_count').get([])
    driver.exec(`PRAGMA max_page_count = ${(pages?.page_count ?? 0) + 8}`)
    // The new conversation and its first message, then what does not fit.
    const outcomes = commitGroup([
      talk('alice', 'carol'),
      say('alice', 'carol'),
      say('alice', 'bob', 'x'.repeat(200_000)),
      say('alice', 'bob'),
    ])
    t.match(outcomes, [
      { value: true },
      { value: [{ kind: 'appended', seq: 1 }] },
      { error: { code: 13 } },
      { value: [{ kind: 'appended', seq: 1 }] },
    ])
    t.equal(count(other, 'messages'), 2)
    t.match(commitGroup([say('alice', 'carol'), say('alice', 'bob')]), [
      { value: [{ seq: 2 }] },
      { value: [{ seq: 2 }] },
    ])
    t.equal(count(other, 'messages'), 4)
  })
})
