// Two brokers over a real Redis and one store: what happens at one reaches who is connected to the
// other, and what the bus loses is found in the store.

import type { Test } from 'tap'
import t from 'tap'
import { directConversation } from '../../../protocol/ids.ts'
import type { TestBroker } from '../../support/brokers.ts'
import { delivered, noticed, openStore, startBroker } from '../../support/brokers.ts'
import { requireProgram } from '../../support/programs.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const { skip } = requireProgram('redis-server')
const town = 'g:town'

/** Two brokers, and the group `town` of alice and bob. */
async function setup(t: Test) {
  const redis = await startRedis(t)
  const store = await openStore(t, 'alice', 'bob', 'carol')
  const [one, two] = [
    await startBroker(t, store, redis.url),
    await startBroker(t, store, redis.url),
  ]
  const members = ['bob']
  await one.conversations.createGroup({ by: 'alice', group: 'town', title: 'Town', members })
  return { redis, store, one, two }
}

/** Waits until the broker hears of the conversation: its head is read after that. */
async function hears({ bus }: TestBroker, other: TestBroker, conversation = town): Promise<void> {
  const before = bus.counts().received
  await until('it hears', () => {
    other.bus.emit(`c/${conversation}`, '{"type":"nothing"}')
    return bus.counts().received > before
  })
}

function memberOf({ engine }: TestBroker, user: string) {
  const member = engine.user(user)?.memberships.get(town)
  if (member === undefined) throw new Error(`${user} is no member`)
  return member
}

t.test('a message reaches the members at the other broker, in order', { skip }, async (t) => {
  const { one, two } = await setup(t)
  const [alice, bob] = [await one.connect('alice/phone'), await two.connect('bob/phone')]
  await Promise.all([hears(two, one), hears(one, two)])
  for (let n = 0; n < 20; n++) await (n % 2 === 0 ? one : two).publish(town, 'alice')
  const all = Array.from({ length: 20 }, (_, n) => n + 1)
  await delivered(alice, ...all)
  await delivered(bob, ...all)
  t.equal(two.bus.counts().dropped, 0)
})

t.test('what arrives in the wrong order waits for what is missing', { skip }, async (t) => {
  const { one, two } = await setup(t)
  const bob = await two.connect('bob/phone')
  await hears(two, one)
  const first = await one.publish(town, 'alice', () => {})
  await one.publish(town, 'alice')
  await one.publish(town, 'alice')
  t.same(bob.seqs(), [])
  one.engine.announce(first)
  await delivered(bob, 1, 2, 3)
})

t.test('what never arrives is read from the log a moment later', { skip }, async (t) => {
  const { one, two } = await setup(t)
  const bob = await two.connect('bob/phone')
  await hears(two, one)
  await one.publish(town, 'alice', () => {})
  await one.publish(town, 'alice')
  await delivered(bob, 1, 2)
  t.pass()
})

t.test('a first message makes the peer listen, wherever the peer is', { skip }, async (t) => {
  const { one, two } = await setup(t)
  const bob = await two.connect('bob/phone')
  const { id } = await one.conversations.direct('alice', 'bob')
  await one.engine.membershipChanged({ kind: 'joined', conversation: id, user: 'bob' })
  await one.publish(id, 'alice')
  await delivered(bob, 1)
  t.equal(id, directConversation('alice', 'bob'))
})

t.test('groups of many are made at once, and everyone hears of it', { skip }, async (t) => {
  const redis = await startRedis(t)
  const users = Array.from({ length: 500 }, (_, n) => `u${n}`)
  const store = await openStore(t, ...users)
  const [one, two] = [
    await startBroker(t, store, redis.url),
    await startBroker(t, store, redis.url),
  ]
  const links = await Promise.all(users.slice(0, 50).map((user) => two.connect(`${user}/phone`)))
  await one.conversations.createGroup({ by: 'u0', group: 'all', members: users })
  for (const link of links) await noticed(link, 'event', ({ type }) => type === 'joined')
  await one.publish('g:all', 'u1')
  for (const link of links) await delivered(link, 1)
  t.equal(one.bus.counts().dropped, 0)
})

t.test(
  'members who join, leave and are renamed follow at the other broker',
  { skip },
  async (t) => {
    const { one, two } = await setup(t)
    const [bob, carol] = [await two.connect('bob/phone'), await two.connect('carol/phone')]
    await hears(two, one)
    await one.conversations.addMember({ by: 'alice', group: 'town', user: 'carol' })
    await noticed(carol, 'event', ({ type }) => type === 'joined')
    await until('they are counted', () => two.engine.room(town)?.memberCount === 3)
    await one.publish(town, 'alice')
    await delivered(carol, 1)
    await one.conversations.renameGroup({ by: 'alice', group: 'town', title: 'City' })
    await noticed(bob, 'event', ({ type, title }) => type === 'renamed' && title === 'City')
    await one.conversations.removeMember({ by: 'alice', group: 'town', user: 'carol' })
    await noticed(carol, 'event', ({ type }) => type === 'left')
    await until('they are counted', () => two.engine.room(town)?.memberCount === 2)
    await one.publish(town, 'alice')
    await delivered(bob, 1, 2)
    t.same(carol.seqs(), [1])
  },
)

t.test('receipts, typing and what is unread go to the other broker', { skip }, async (t) => {
  const { one, two } = await setup(t)
  const alice = await one.connect('alice/phone')
  const [bob, tablet] = [await two.connect('bob/phone'), await one.connect('bob/tablet')]
  await Promise.all([hears(two, one), hears(one, two)])
  await one.publish(town, 'alice')
  await delivered(bob, 1)
  await noticed(tablet, 'event', ({ type, unread }) => type === 'unread' && unread === 1)
  bob.acknowledgeAll()
  await noticed(alice, 'receipt', ({ from, delivered }) => from === 'bob' && delivered === 1)
  const member = memberOf(two, 'bob')
  await two.receipts.read(member, 1)
  await noticed(alice, 'receipt', ({ from, read }) => from === 'bob' && read === 1)
  await noticed(tablet, 'event', ({ type, unread }) => type === 'unread' && unread === 0)
  two.receipts.typing.tell(member, true)
  await noticed(alice, 'typing', ({ from, typing }) => from === 'bob' && typing === true)
  t.notOk(bob.notices.some(({ topic }) => topic.endsWith('/typing')))
})

t.test('a read mark that is hidden reaches the own devices only', { skip }, async (t) => {
  const { one, two, store } = await setup(t)
  const alice = await one.connect('alice/phone')
  const [, tablet] = [await two.connect('bob/phone'), await one.connect('bob/tablet')]
  await Promise.all([hears(two, one), hears(one, two)])
  await store.users.saveSettings('bob', { readReceipts: 'nobody' })
  two.receipts.hides('bob', true)
  await until('the other broker knows', () => memberOf(one, 'bob').hidesReads)
  await one.publish(town, 'alice')
  const member = memberOf(two, 'bob')
  await until('it is there', () => member.room.head === 1)
  await two.receipts.read(member, 1)
  await noticed(tablet, 'event', ({ type, unread }) => type === 'unread' && unread === 0)
  t.equal(memberOf(one, 'bob').read, 1)
  t.notOk(alice.notices.some(({ message }) => message.read === 1))
})

t.test('a conversation muted at one broker is muted at the other', { skip }, async (t) => {
  const { one, two } = await setup(t)
  await two.connect('bob/phone')
  const later = Date.now() + 100_000
  await one.receipts.mute({ user: 'bob', conversation: town, until: later })
  await until('it is muted', () => memberOf(two, 'bob').mutedUntil === later)
  await one.receipts.mute({ user: 'bob', conversation: town, until: null })
  await until('it is not', () => memberOf(two, 'bob').mutedUntil === 0)
  t.pass()
})

t.test('what is lost while Redis is away is found in the store', { skip }, async (t) => {
  const { one, two, redis } = await setup(t)
  const [bob, carol] = [await two.connect('bob/phone'), await two.connect('carol/phone')]
  await hears(two, one)
  await one.publish(town, 'alice')
  await delivered(bob, 1)
  await redis.kill()
  await until('it is noticed', () => !one.bus.isUp() && !two.bus.isUp())
  await one.publish(town, 'alice')
  await delivered(bob, 1, 2)
  await one.conversations.addMember({ by: 'alice', group: 'town', user: 'carol' })
  await one.publish(town, 'alice')
  await redis.restart()
  await delivered(bob, 1, 2, 3)
  await delivered(carol, 3)
  await until('the bus is up', () => one.bus.isUp() && two.bus.isUp())
  await hears(two, one)
  await one.publish(town, 'alice')
  await delivered(bob, 1, 2, 3, 4)
  t.same(carol.seqs(), [3, 4])
})

t.test('a device that comes to another broker is closed at the first', { skip }, async (t) => {
  const { one, two } = await setup(t)
  const before = await one.connect('bob/phone')
  for (let n = 0; n < 10; n++) await one.publish(town, 'alice')
  await delivered(before, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
  before.acknowledgeAll()
  const after = await two.connect('bob/phone')
  t.equal(before.takeovers, 1)
  t.equal(one.engine.user('bob'), undefined)
  await one.publish(town, 'alice')
  await delivered(after, 11)
})

t.test('of many connections of one device one is left', { skip }, async (t) => {
  const { one, two } = await setup(t)
  const arrivals = Array.from({ length: 12 }, (_, n) =>
    (n % 2 === 0 ? one : two).connect('bob/phone').catch(() => undefined),
  )
  await Promise.all(arrivals)
  const count = ({ engine }: TestBroker) => engine.user('bob')?.sessions.size ?? 0
  await until('one is left', () => count(one) + count(two) === 1)
  t.pass()
})

t.test('without Redis nobody waits; then one of two connections is closed', { skip }, async (t) => {
  const { one, two, redis } = await setup(t)
  await redis.kill()
  await until('it is noticed', () => !one.bus.isUp() && !two.bus.isUp())
  const before = await one.connect('bob/phone')
  const after = await two.connect('bob/phone')
  await redis.restart()
  await until('one is closed', () => before.takeovers + after.takeovers === 1)
  t.equal(before.takeovers, 1, 'the older one')
})
