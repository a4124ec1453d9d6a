// May this session publish there, and to which conversation does it go?

import t from 'tap'
import { Refusal } from '../../../protocol/errors.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import { parsePublishTopic } from '../../../protocol/topics.ts'
import { makeRoutes, type Route } from '../../../services/access/routes.ts'
import type { Conversations } from '../../../services/conversations/conversations.ts'
import { type Connected, makeWorld, type World } from '../delivery/support/devices.ts'

interface Setup {
  readonly world: World
  /** Opened direct conversations, as pairs. */
  readonly opened: string[]
  /** What the store does when a conversation is opened. */
  open: (a: string, b: string) => void
  resolve(connected: Connected, topic: string): Route | Promise<Route>
}

function setup(t: Parameters<typeof makeWorld>[0]): Setup {
  const world = makeWorld(t)
  const { memory, engine } = world
  const opened: string[] = []
  const unused = () => Promise.reject(new Error('not needed here'))
  const conversations: Conversations = {
    createGroup: unused,
    addMember: unused,
    removeMember: unused,
    renameGroup: unused,
    membership: unused,
    async direct(a, b) {
      it.open(a, b)
      opened.push(`${a} ${b}`)
      const id = memory.direct(a, b)
      const room = memory.rooms.get(id)
      if (room === undefined) throw new Error('it was just made')
      return room.conversation
    },
  }
  const routes = makeRoutes({ engine, conversations, attempt: (work) => work() })
  const it: Setup = {
    world,
    opened,
    open: () => {},
    resolve({ link }, topic) {
      if (link.session === undefined) throw new Error('not connected')
      return routes.resolve(link.session, parsePublishTopic(topic))
    },
  }
  return it
}

const idOf = (route: Route) => (route.kind === 'member' ? route.member.room.conversation.id : route)

t.test('a group one is in is answered from memory, without asking the store', async (t) => {
  const { world, resolve } = setup(t)
  const town = world.memory.group('town', 'alice')
  const alice = await world.connect('alice/phone')
  const before = world.memory.calls.size
  const route = resolve(alice, 'g/town/msg')
  t.notOk(route instanceof Promise)
  t.equal(idOf(route as Route), town)
  t.equal(world.memory.calls.size, before)
})

t.test('a group one is not in, and one that does not exist, look the same', async (t) => {
  const { world, resolve } = setup(t)
  world.memory.group('town', 'bob')
  const alice = await world.connect('alice/phone')
  await world.connect('bob/phone')
  const refused = { kind: 'refused', code: 'not-a-member' }
  t.same(resolve(alice, 'g/town/msg'), refused)
  t.same(resolve(alice, 'g/nowhere/msg'), refused)
})

t.test('a member who left is refused at once, and one who joined is let in', async (t) => {
  const { world, resolve } = setup(t)
  const town = world.memory.group('town', 'alice')
  const alice = await world.connect('alice/phone')
  const route = resolve(alice, 'g/town/msg') as Route
  t.match(route, { kind: 'member', member: { active: true } })
  world.memory.leave(town, 'alice')
  const change = { conversation: town, user: 'alice' }
  await world.engine.membershipChanged({ kind: 'left', ...change })
  t.same(resolve(alice, 'g/town/msg'), { kind: 'refused', code: 'not-a-member' })
  t.match(route, { member: { active: false } }, 'who remembered the route sees it')
  world.memory.join(town, 'alice')
  await world.engine.membershipChanged({ kind: 'joined', ...change })
  t.match(resolve(alice, 'g/town/msg'), { kind: 'member', member: { active: true } })
})

t.test('a first message to a peer opens the conversation for both, once', async (t) => {
  const { world, opened, resolve } = setup(t)
  const alice = await world.connect('alice/phone')
  const bob = await world.connect('bob/phone', { filters: ['u/bob/msg'] })
  const route = await resolve(alice, 'u/bob/msg')
  const id = idOf(route)
  t.type(id, 'string')
  t.notOk(resolve(alice, 'u/bob/msg') instanceof Promise, 'known from now on')
  t.equal(idOf(resolve(bob, 'u/alice/msg') as Route), id, 'the same from the other side')
  t.same(opened, ['alice bob'])
  world.publish(String(id))
  t.same(bob.link.seqs(), [1], 'the peer hears it at once')
})

t.test('one may write to oneself', async (t) => {
  const { world, resolve } = setup(t)
  const alice = await world.connect('alice/phone', { filters: ['u/alice/#'] })
  const id = idOf(await resolve(alice, 'u/alice/msg'))
  world.publish(String(id))
  t.match(alice.link.delivered, [{ seq: 1, topic: 'u/alice/msg' }])
})

t.test('an unknown peer is refused by the code of the refusal', async (t) => {
  const it = setup(t)
  const alice = await it.world.connect('alice/phone')
  it.open = () => {
    throw new Refusal('unknown-user')
  }
  t.same(await it.resolve(alice, 'u/nobody/msg'), { kind: 'refused', code: 'unknown-user' })
})

t.test('a store that fails, and a bug, are not refusals', async (t) => {
  const it = setup(t)
  const alice = await it.world.connect('alice/phone')
  for (const error of [new StoreFailure('disk full'), new TypeError('a bug')]) {
    it.open = () => {
      throw error
    }
    await t.rejects(Promise.resolve(it.resolve(alice, 'u/bob/msg')), error)
  }
  it.open = () => {}
  it.world.memory.failures.set('membership', 1)
  await t.rejects(Promise.resolve(it.resolve(alice, 'u/bob/msg')), { name: 'StoreFailure' })
  t.match(await it.resolve(alice, 'u/bob/msg'), { kind: 'member' }, 'the next try succeeds')
})

t.test('topics that are no place to publish are unknown', async (t) => {
  const { world, resolve } = setup(t)
  const alice = await world.connect('alice/phone')
  for (const topic of [
    'u/bob/event',
    'u/bob',
    't/x',
    'p/bob',
    'u/b b/msg',
    '/',
    '$SYS/x',
    'g/+/msg',
  ]) {
    t.same(resolve(alice, topic), { kind: 'refused', code: 'unknown-topic' }, topic)
  }
})

t.test('a session that has gone is refused, and breaks nothing', async (t) => {
  const { world, resolve } = setup(t)
  const alice = await world.connect('alice/phone')
  world.memory.group('town', 'alice')
  await world.disconnect(alice.link)
  t.same(resolve(alice, 'g/town/msg'), { kind: 'refused', code: 'not-a-member' })
  t.same(await resolve(alice, 'u/bob/msg'), { kind: 'refused', code: 'not-a-member' })
})

t.test('a peer who could not be told of a new conversation is told at the next try', async (t) => {
  const { world, resolve } = setup(t)
  const { memory, engine } = world
  const alice = await world.connect('alice/phone')
  const bob = await world.connect('bob/phone')
  let asked = 0
  memory.pace = async (port) => {
    if (port === 'membership' && ++asked === 2) throw new StoreFailure('planted')
  }
  await t.rejects(async () => resolve(alice, 'u/bob/msg'), StoreFailure)
  const id = idOf(await resolve(alice, 'u/bob/msg'))
  t.ok(bob.link.session && typeof id === 'string' && engine.member(bob.link.session, id))
})
