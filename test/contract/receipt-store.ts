// The contract of ReceiptStore (services/receipts/ports.ts), for every engine.

import type { Test } from 'tap'
import { uncountedKinds } from '../../protocol/kinds.ts'
import type { MarkUpdate } from '../../services/receipts/ports.ts'
import { until } from '../support/until.ts'
import type { Engine, MakeEngine } from './engine.ts'
import { fill, text, town, withGroup } from './engine.ts'

/** Tests every sentence of the port's documentation. */
export async function testReceiptStore(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('ReceiptStore: watermarks', (t) => testMarks(t, makeEngine))
  await t.test('ReceiptStore: counts', (t) => testCounts(t, makeEngine))
  await t.test('ReceiptStore: devices', (t) => testDevices(t, makeEngine))
}

function mark(user: string, delivered: number, read: number, more: Partial<MarkUpdate> = {}) {
  return { conversation: town, user, joinedSeq: 0, delivered, read, ...more }
}

async function testMarks(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('raises each watermark, never down; read raises delivered', async (t) => {
    const { receipts, conversations } = await withGroup(await makeEngine(t), 'alice', 'bob')
    const steps = [
      [mark('bob', 3, 1), { delivered: 3, read: 1 }],
      [mark('bob', 2, 0), { delivered: 3, read: 1 }],
      [mark('bob', 0, 2), { delivered: 3, read: 2 }],
      [mark('bob', 0, 5), { delivered: 5, read: 5 }],
      [mark('bob', 6, 4), { delivered: 6, read: 5 }],
    ] as const
    for (const [update, expected] of steps) {
      await receipts.raise([update])
      t.match(await conversations.membership(town, 'bob'), expected)
    }
    t.match(await conversations.membership(town, 'alice'), { delivered: 0, read: 0 })
  })

  await t.test('a hidden read moves nothing that others see, until it is shown', async (t) => {
    const { receipts, conversations, users } = await withGroup(await makeEngine(t), 'alice', 'bob')
    await users.saveSettings('bob', { readReceipts: 'nobody' })
    await receipts.raise([mark('bob', 1, 3)])
    t.match(await conversations.membership(town, 'bob'), { delivered: 1, read: 3 })
    const tally = () => receipts.tally({ conversation: town, user: 'alice', seq: 2 })
    t.strictSame(await tally(), { members: 1, delivered: 0, read: 0 })
    t.match((await receipts.marksOf(town, 2))[1], { delivered: 1, read: 0 })
    await users.saveSettings('bob', { readReceipts: 'everyone' })
    t.strictSame(await tally(), { members: 1, delivered: 1, read: 1 })
    t.match((await receipts.marksOf(town, 2))[1], { delivered: 3, read: 3 })
  })

  await t.test('skips a membership that ended, also after a new one began', async (t) => {
    const engine = await withGroup(await makeEngine(t), 'alice', 'bob')
    const { receipts, conversations } = engine
    await conversations.removeMember('town', 'bob')
    await receipts.raise([mark('bob', 1, 1), mark('nobody', 1, 1), mark('alice', 2, 2)])
    await receipts.raise([mark('alice', 9, 9, { conversation: 'g:nowhere' })])
    await fill(engine, 3)
    await conversations.addMember('town', 'bob')
    await receipts.raise([mark('bob', 2, 2)])
    t.match(await conversations.membership(town, 'bob'), { joinedSeq: 3, delivered: 0, read: 0 })
    t.match(await conversations.membership(town, 'alice'), { delivered: 2, read: 2 })
  })

  await t.test('lists the watermarks of all members, as others may see them', async (t) => {
    const engine = await withGroup(await makeEngine(t), 'carol', 'alice', 'bob')
    const { receipts, users } = engine
    await receipts.raise([mark('alice', 3, 2), mark('bob', 4, 4)])
    await users.saveSettings('bob', { readReceipts: 'nobody' })
    const expected = [
      { user: 'alice', delivered: 3, read: 2 },
      { user: 'bob', delivered: 4, read: 0 },
      { user: 'carol', delivered: 0, read: 0 },
    ]
    t.strictSame(await receipts.marksOf(town, 10), expected)
    t.strictSame(await receipts.marksOf(town, 2), expected.slice(0, 2))
    t.strictSame(await receipts.marksOf('g:nowhere', 2), [])
  })
}

async function testCounts(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('counts the entries of others of kinds that count', async (t) => {
    const { receipts, log, users } = await withGroup(await makeEngine(t), 'alice', 'bob')
    await users.createUser('eve', undefined)
    const odd = uncountedKinds.map((kind) => {
      const body = { kind, messageId: undefined, fields: '' }
      return text('alice', undefined, { body })
    })
    await log.append([text('alice'), text('bob'), ...odd, text('alice'), text('alice')], 1)
    const head = 4 + odd.length
    const count = (after: number, through: number, user = 'bob', conversation = town) =>
      receipts.count({ conversation, user, after, through })
    t.equal(await count(0, head), 3)
    t.equal(await count(1, head), 2, 'after')
    t.equal(await count(0, head - 1), 2, 'through')
    t.equal(await count(head, head), 0)
    t.equal(await count(0, head, 'alice'), 1)
    t.equal(await count(0, head, 'eve'), 4)
    t.equal(await count(0, head, 'bob', 'g:nowhere'), 0)
  })

  await t.test('counts a part of what came at once', async (t) => {
    const engine = await withGroup(await makeEngine(t), 'alice', 'bob')
    await engine.log.append([text('alice', 'a'), text('bob', 'b')], 1)
    await fill(engine, 100)
    await engine.log.append([text('bob', 'c')], 1)
    const count = (after: number, through: number, user = 'bob') =>
      engine.receipts.count({ conversation: town, user, after, through })
    t.equal(await count(0, 103), 101)
    t.equal(await count(2, 102), 100)
    t.equal(await count(10, 20), 10)
    t.equal(await count(60, 70), 10)
    t.equal(await count(101, 1000), 1)
    t.equal(await count(10, 20, 'alice'), 0)
  })

  await t.test('tells how far an entry has come among those who joined before it', async (t) => {
    const engine = await withGroup(await makeEngine(t), 'alice', 'bob', 'carol', 'dave')
    const { receipts, users, conversations } = engine
    await users.createUser('late', undefined)
    await fill(engine, 2)
    await conversations.addMember('town', 'late')
    await receipts.raise([
      mark('alice', 2, 2),
      mark('bob', 2, 1),
      mark('carol', 2, 2),
      mark('late', 2, 2, { joinedSeq: 2 }),
    ])
    const tally = (seq: number, conversation = town) =>
      receipts.tally({ conversation, user: 'alice', seq })
    t.strictSame(await tally(1), { members: 3, delivered: 2, read: 2 })
    t.strictSame(await tally(2), { members: 3, delivered: 2, read: 1 })
    t.strictSame(await tally(3), { members: 4, delivered: 0, read: 0 })
    await users.saveSettings('carol', { readReceipts: 'nobody' })
    t.strictSame(await tally(2), { members: 3, delivered: 2, read: 0 })
    const { members } = await receipts.tally({ conversation: town, seq: 2 })
    t.equal(members, 4, 'with the asker, if none is named')
    t.strictSame(await tally(1, 'g:nowhere'), { members: 0, delivered: 0, read: 0 })
  })
}

const phone = { user: 'alice', device: 'phone' }
const bounds = { membersMax: 3, slackMs: 0, limit: 10 }

/** Alice in `town`, with bob, and in a group of four; her phone is known. */
async function withPhone(t: Test, makeEngine: MakeEngine): Promise<Engine> {
  const engine = await withGroup(await makeEngine(t), 'alice', 'bob')
  for (const user of ['carol', 'dave']) await engine.users.createUser(user, undefined)
  const members = ['bob', 'carol', 'dave']
  await engine.conversations.createGroup({ group: 'crowd', title: '', owner: 'alice', members })
  await engine.devices.save({ ...phone, subscriptions: [] })
  return engine
}

/** Waits until the clock of the store shows another time. */
async function nextMillisecond(): Promise<void> {
  const now = Date.now()
  await until('the next millisecond', () => Date.now() > now)
}

async function testDevices(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('tells a device what changed since it was there', async (t) => {
    const { receipts, users, devices } = await withPhone(t, makeEngine)
    t.strictSame(await receipts.changedFor(phone, bounds), [], 'nothing yet')
    await nextMillisecond()
    await receipts.raise([mark('bob', 3, 2), mark('alice', 3, 3)])
    const changed = { conversation: town, user: 'bob', delivered: 3, read: 2 }
    t.strictSame(await receipts.changedFor(phone, bounds), [changed], 'not what is its own')
    await users.saveSettings('bob', { readReceipts: 'nobody' })
    t.strictSame(await receipts.changedFor(phone, bounds), [{ ...changed, read: 0 }])
    await nextMillisecond()
    await devices.saveLastSeen([phone], Date.now())
    t.strictSame(await receipts.changedFor(phone, bounds), [], 'once')
    await receipts.raise([mark('bob', 2, 2)])
    t.strictSame(await receipts.changedFor(phone, bounds), [], 'what did not move has not changed')
    await users.saveSettings('bob', { readReceipts: 'nobody' })
    await receipts.raise([mark('bob', 3, 9)])
    t.strictSame(await receipts.changedFor(phone, bounds), [], 'nor has what is hidden')
    const slow = { ...bounds, slackMs: 60_000 }
    t.equal((await receipts.changedFor(phone, slow)).length, 1, 'but is told within the slack')
    t.strictSame(await receipts.changedFor({ ...phone, device: 'unknown' }, slow), [])
  })

  await t.test('tells the newest first, within bounds', async (t) => {
    const { receipts } = await withPhone(t, makeEngine)
    const crowd = { conversation: 'g:crowd' }
    for (const update of [mark('bob', 1, 1), mark('bob', 1, 1, crowd), mark('dave', 1, 0, crowd)]) {
      await nextMillisecond()
      await receipts.raise([update])
    }
    const tell = async (change: Partial<typeof bounds>) => {
      const changes = await receipts.changedFor(phone, { ...bounds, ...change })
      return changes.map(({ conversation, user }) => `${conversation} ${user}`)
    }
    t.strictSame(await tell({}), ['g:town bob'])
    t.strictSame(await tell({ membersMax: 4 }), ['g:crowd dave', 'g:crowd bob', 'g:town bob'])
    t.strictSame(await tell({ membersMax: 4, limit: 2 }), ['g:crowd dave', 'g:crowd bob'])
  })

  await t.test('tells how far the devices of a user are', async (t) => {
    const { receipts, devices } = await withPhone(t, makeEngine)
    const cursors = [{ conversation: town, acked: 1, sent: 2 }]
    await devices.save({ ...phone, subscriptions: [], cursors })
    await devices.save({ user: 'alice', device: 'laptop', subscriptions: [], cursors })
    await devices.save({ user: 'bob', device: 'tablet', subscriptions: [], cursors })
    t.strictSame(await receipts.devicesIn(town, 'alice'), [
      { device: 'laptop', acked: 1 },
      { device: 'phone', acked: 1 },
    ])
    t.strictSame(await receipts.devicesIn('g:crowd', 'alice'), [])
    t.strictSame(await receipts.devicesIn('g:nowhere', 'alice'), [])
  })
}
