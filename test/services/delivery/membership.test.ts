// Members that come and go while they are connected: what they hear follows at once.

import t from 'tap'
import { until } from '../../support/until.ts'
import { deliveredTo, makeWorld, settle, type World } from './support/devices.ts'

const join = ({ memory, engine }: World, conversation: string, user: string) => {
  memory.join(conversation, user)
  return engine.membershipChanged({ kind: 'joined', conversation, user })
}
const leave = ({ memory, engine }: World, conversation: string, user: string) => {
  memory.leave(conversation, user)
  return engine.membershipChanged({ kind: 'left', conversation, user })
}
const filters = ['g/+/msg', 'u/bob/#']

t.test('who joins while connected hears from the join on, and is told', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'eve')
  const { link } = await world.connect('bob/phone', { filters })
  const silent = await world.connect('bob/laptop')
  world.publish(town, 3)
  await join(world, town, 'bob')
  world.publish(town, 2)
  await settle()
  t.same(link.seqs(), [4, 5])
  t.same(link.notices, [
    {
      topic: 'u/bob/event',
      message: { type: 'joined', conversation: town, group: 'town', title: 'TOWN' },
    },
  ])
  t.same([silent.link.delivered, silent.link.notices], [[], []], 'it subscribed to nothing')
  t.ok(link.session && world.engine.member(link.session, town)?.active)
})

t.test('entries between the join and the news of it are delivered', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'eve')
  const { link } = await world.connect('bob/phone', { filters })
  world.memory.join(town, 'bob')
  world.publish(town, 3)
  await world.engine.membershipChanged({ kind: 'joined', conversation: town, user: 'bob' })
  await deliveredTo(link, 3)
  t.same(link.seqs(), [1, 2, 3])
})

t.test('who leaves hears nothing more, is told, and may not publish', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'bob', 'eve')
  const { link } = await world.connect('bob/phone', { filters })
  const eve = await world.connect('eve/phone', { filters: ['g/+/msg'] })
  world.publish(town, 2)
  const member = link.session && world.engine.member(link.session, town)
  t.equal(member?.active, true)
  await leave(world, town, 'bob')
  world.publish(town)
  link.acknowledgeAll()
  await settle()
  t.same(
    [link.seqs(), eve.link.seqs()],
    [
      [1, 2],
      [1, 2, 3],
    ],
  )
  t.match(link.notices, [{ message: { type: 'left', group: 'town' } }])
  t.equal(member?.active, false)
  t.equal(link.session && world.engine.member(link.session, town), undefined)
  await world.disconnect(link)
  t.equal(world.memory.acked('bob', 'phone', town), undefined)
})

t.test('who leaves while a catch-up reads the log gets none of it', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'bob')
  const { link } = await world.connect('bob/phone', { filters })
  let answer = () => {}
  world.memory.delay = (port) =>
    port === 'read' ? new Promise<void>((resolve) => (answer = resolve)) : Promise.resolve()
  world.memory.append(town)
  world.publish(town)
  await settle()
  await leave(world, town, 'bob')
  answer()
  await settle()
  t.same(link.seqs(), [])
})

t.test('who leaves and joins again hears from the second join on', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'bob', 'eve')
  await world.connect('eve/phone', { filters: ['g/+/msg'] })
  const { link } = await world.connect('bob/phone', { filters })
  world.publish(town, 2)
  await leave(world, town, 'bob')
  world.publish(town, 2)
  await join(world, town, 'bob')
  world.publish(town, 2)
  await settle()
  t.same(link.seqs(), [1, 2, 5, 6])
})

t.test('who leaves and joins again before the first news hears nothing of between', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'bob')
  const { link } = await world.connect('bob/phone', { filters })
  world.memory.leave(town, 'bob')
  const [one, two] = [world.memory.append(town), world.memory.append(town)]
  world.memory.join(town, 'bob')
  const changed = [
    world.engine.membershipChanged({ kind: 'left', conversation: town, user: 'bob' }),
    world.engine.membershipChanged({ kind: 'joined', conversation: town, user: 'bob' }),
  ]
  await Promise.all(changed)
  for (const entry of [one, two]) world.engine.announce(entry)
  world.publish(town)
  await settle()
  t.same(link.seqs(), [3])
})

t.test('joining and leaving in one breath leaves nobody listening', async (t) => {
  for (let ticks = 0; ticks < 12; ticks++) {
    const world = makeWorld(t)
    const town = world.memory.group('town', 'eve')
    await world.connect('eve/phone', { filters: ['g/+/msg'] })
    const { link } = await world.connect('bob/phone', { filters })
    world.memory.join(town, 'bob')
    const joined = world.engine.membershipChanged({
      kind: 'joined',
      conversation: town,
      user: 'bob',
    })
    const left = world.engine.membershipChanged({ kind: 'left', conversation: town, user: 'bob' })
    // Between the two reads, wherever they are.
    for (let i = 0; i < ticks; i++) await Promise.resolve()
    world.memory.leave(town, 'bob')
    await Promise.all([joined, left])
    await leave(world, town, 'bob')
    world.publish(town)
    await settle()
    t.same(link.seqs(), [], `the membership ended after ${ticks} ticks`)
  }
})

t.test('a membership that is made while the user is loading counts', async (t) => {
  for (const kind of ['joined', 'left'] as const) {
    const world = makeWorld(t)
    const town = world.memory.group('town', 'eve', ...(kind === 'left' ? ['bob'] : []))
    await world.connect('eve/phone', { filters: ['g/+/msg'] })
    let hasChanged: Promise<void> | undefined
    world.memory.delay = async (port) => {
      if (port === 'membershipsOf')
        hasChanged ??= (kind === 'left' ? leave : join)(world, town, 'bob')
    }
    const { link } = await world.connect('bob/phone', { filters })
    await hasChanged
    world.publish(town)
    await settle()
    t.same(link.seqs(), kind === 'left' ? [] : [1], kind)
  }
})

t.test('what was announced while the user was loading is known when all others left', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'eve', 'bob')
  const eve = await world.connect('eve/phone')
  let isRead = false
  let answer = () => {}
  const answered = new Promise<void>((resolve) => {
    answer = resolve
  })
  world.memory.delay = (port) => {
    if (port !== 'membershipsOf') return Promise.resolve()
    isRead = true
    return answered
  }
  const connected = world.connect('bob/phone', { filters })
  await until('the store has looked', () => isRead)
  world.publish(town, 2)
  await world.disconnect(eve.link)
  answer()
  const { link } = await connected
  world.publish(town)
  await settle()
  t.same(link.seqs(), [3], 'bob starts at the head')
})

t.test('a failed read of the memberships lets no other connection in without them', async (t) => {
  // Who seems to be a member of nothing has every message acknowledged, refused and dropped.
  const world = makeWorld(t)
  const town = world.memory.group('town', 'bob')
  world.memory.failures.set('membershipsOf', 1)
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  world.memory.pace = (port) => (port === 'membershipsOf' ? gate : Promise.resolve())
  const first = world.connect('bob/phone', { filters })
  await settle(2)
  const changed = world.engine.membershipChanged({
    kind: 'joined',
    conversation: town,
    user: 'bob',
  })
  const second = world.connect('bob/laptop', { filters })
  await settle(2)
  open()
  const [, , other] = await Promise.allSettled([first, changed, second])
  if (other.status === 'rejected') return t.match(other.reason, { name: 'StoreFailure' })
  const { session } = other.value.link
  t.ok(session && world.engine.member(session, town), 'it is a member, or was not let in')
})

t.test('a removal holds although the store cannot be read just then', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'bob', 'eve')
  await world.connect('eve/phone', { filters: ['g/+/msg'] })
  const { link } = await world.connect('bob/phone', { filters })
  world.memory.failures.set('membership', 1)
  await leave(world, town, 'bob').catch(() => {})
  world.publish(town)
  await settle()
  t.same(link.seqs(), [], 'who was removed reads no further')
  t.equal(link.session && world.engine.member(link.session, town), undefined)
})

t.test('changes of users who are not connected cost nothing', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'eve')
  await join(world, town, 'bob')
  await leave(world, town, 'bob')
  t.equal(world.memory.calls.get('membership') ?? 0, 0)
})

t.test('a direct conversation is opened without an event, and heard from its start', async (t) => {
  const world = makeWorld(t)
  const { link } = await world.connect('bob/phone', { filters })
  const note = world.memory.direct('bob', 'eve')
  await world.engine.membershipChanged({ kind: 'joined', conversation: note, user: 'bob' })
  world.publish(note, 2)
  await settle()
  t.same([link.seqs(), link.notices], [[1, 2], []])
  t.equal(link.delivered[0]?.topic, 'u/bob/msg')
})

t.test('events go to the sessions of the user that listen to the leaf', async (t) => {
  const world = makeWorld(t)
  const listening = await world.connect('bob/phone', { filters: ['u/bob/error'] })
  const deaf = await world.connect('bob/laptop', { filters: ['u/bob/msg', 'g/+/#'] })
  const eve = await world.connect('eve/phone', { filters: ['u/eve/#'] })
  world.engine.notify('bob', 'error', { code: 'x' })
  world.engine.notify('nobody', 'error', {})
  t.same(listening.link.notices, [{ topic: 'u/bob/error', message: { code: 'x' } }])
  t.same([deaf.link.notices, eve.link.notices], [[], []])
})
