// Devices that say themselves how far they are, and the event that tells a device it has
// everything.

import t from 'tap'
import { deliveredTo, makeWorld, settle } from './support/devices.ts'

t.test('a device of a clean session gets what came after the position it names', async (t) => {
  const { memory, engine, connect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  publish(town, 5)
  const { link } = await connect('bob/phone', { durable: false, filters: ['g/+/msg'] })
  t.same(link.seqs(), [], 'it starts live')
  if (link.session) await engine.sync(link.session, new Map([[town, 2]]))
  await deliveredTo(link, 3)
  publish(town)
  await settle()
  t.same(link.seqs(), [3, 4, 5, 6])
})

t.test('a position that is named before the subscription counts as well', async (t) => {
  const { memory, engine, connect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  publish(town, 5)
  const { link } = await connect('bob/phone', { durable: false })
  const { session } = link
  if (session === undefined) return t.fail('no session')
  await engine.sync(session, new Map([[town, 3]]))
  await engine.subscribe(session, [{ filter: 'g/+/msg', qos: 1 }])
  await deliveredTo(link, 2)
  t.same(link.seqs(), [4, 5])
})

t.test('nothing from before the join comes, and nothing of where one is no member', async (t) => {
  const { memory, engine, connect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const other = memory.group('other', 'eve')
  const club = memory.group('club', 'eve')
  for (const conversation of [town, other, club]) publish(conversation, 3)
  memory.join(club, 'bob')
  publish(club)
  const { link } = await connect('bob/phone', { durable: false, filters: ['g/+/msg'] })
  const positions = new Map([town, other, club, 'g:nowhere'].map((id) => [id, 0]))
  if (link.session) await engine.sync(link.session, positions)
  await deliveredTo(link, 4)
  await settle()
  const got = link.delivered.map(({ conversation, seq }) => `${conversation} ${seq}`)
  t.same(got.sort(), ['g:club 4', 'g:town 1', 'g:town 2', 'g:town 3'])
})

t.test('a durable device that names a position goes on there, also later', async (t) => {
  const { memory, engine, connect, disconnect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const first = await connect('bob/phone', { filters: ['g/+/msg'] })
  publish(town, 4)
  for (const id of [1, 2, 3, 4]) first.link.session?.acknowledge(id)
  if (first.link.session) await engine.sync(first.link.session, new Map([[town, 1]]))
  await deliveredTo(first.link, 7)
  t.same(first.link.seqs(), [1, 2, 3, 4, 2, 3, 4])
  await disconnect(first.link)
  const second = await connect('bob/phone')
  await deliveredTo(second.link, 3)
  t.same(second.link.seqs(), [2, 3, 4], 'what was repeated was not acknowledged')
})

t.test('what the old position has on its way does not move the new one', async (t) => {
  const { memory, engine, connect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  publish(town, 4)
  if (link.session) await engine.sync(link.session, new Map([[town, 2]]))
  await deliveredTo(link, 6)
  for (const id of [1, 2, 3, 4]) link.session?.acknowledge(id)
  t.equal(link.session?.positions.values().next().value?.acked, 2)
  link.session?.acknowledge(5)
  t.equal(link.session?.positions.values().next().value?.acked, 3)
})

t.test('a position above the head counts as the head', async (t) => {
  const { memory, engine, connect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { durable: false, filters: ['g/+/msg'] })
  if (link.session) await engine.sync(link.session, new Map([[town, 99]]))
  publish(town)
  t.same(link.seqs(), [1])
})

t.test('after what was missed, a device is told once that it has caught up', async (t) => {
  const { memory, connect, disconnect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const first = await connect('bob/phone', { filters: ['g/+/msg', 'u/bob/#'] })
  await disconnect(first.link)
  publish(town, 3)
  const { link } = await connect('bob/phone')
  await deliveredTo(link, 3)
  publish(town)
  await settle()
  t.same(link.caughtUpAfter, [3])
})

t.test('a device with nothing to catch up with is told when it can hear it', async (t) => {
  const { engine, connect } = makeWorld(t)
  const { link } = await connect('bob/phone', { durable: false, filters: ['g/+/msg'] })
  t.same(link.caughtUpAfter, [])
  if (link.session) await engine.subscribe(link.session, [{ filter: 'u/bob/event', qos: 0 }])
  t.same(link.caughtUpAfter, [0])
  if (link.session) await engine.sync(link.session, new Map())
  t.same(link.caughtUpAfter, [0, 0], 'once more for each sync')
})
