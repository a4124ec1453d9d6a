// PUBLISH, SUBSCRIBE and UNSUBSCRIBE on chat topics, by the statements of MQTT 3.1.1: QoS, DUP,
// RETAIN, overlapping filters and order.

import t, { type Test } from 'tap'
import {
  connectRaw as connectBench,
  makeBenchBroker,
  publish as publishBench,
} from '../broker/support/bench-broker.ts'
import { codesOf } from '../support/level.ts'
import type { RawClient } from '../support/raw-client.ts'
import { connectRaw, publishPacket, subscribePacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const server = await startTestServer(t)
await server.addGroup('team', ['alice', 'bob'])

type Qos = 0 | 1 | 2

let devices = 0

async function connect(t: Test, user: string): Promise<RawClient> {
  return connectRaw(t, server, { user, id: `device-${++devices}` }, { clean: true })
}

/** Subscribes to filters at their QoS, in one packet. */
async function subscribe(client: RawClient, ...filters: readonly (readonly [string, Qos])[]) {
  const before = client.of('suback').length
  const subscriptions = filters.map(([topic, qos]) => ({ topic, qos }))
  client.send({ cmd: 'subscribe', messageId: before + 100, subscriptions })
  return (await client.wait('suback', before + 1))[before]
}

/** What came of chat; not the events. */
const messages = (client: RawClient) =>
  client.of('publish').filter(({ topic }) => topic.endsWith('/msg'))

const texts = (client: RawClient) =>
  messages(client).map(({ payload }) => JSON.parse(payload.toString()).text)

/** Sends, and waits until all of it was handled and what follows from it has come. */
async function publish(client: RawClient, topic: string, ...said: readonly string[]) {
  const before = client.of('puback').length
  client.send(...said.map((text, index) => publishPacket(topic, text, index + 1)))
  await client.wait('puback', before + said.length)
}

/** Proves that nothing more is on its way. */
async function settle(client: RawClient): Promise<void> {
  const before = client.of('pingresp').length
  client.send({ cmd: 'pingreq' })
  await client.wait('pingresp', before + 1)
}

t.test('QoS 0 is not answered, and stored like the rest [MQTT-4.3.1-1]', async (t) => {
  const [alice, bob] = [await connect(t, 'alice'), await connect(t, 'bob')]
  await subscribe(bob, ['g/team/msg', 1])
  alice.send(publishPacket('g/team/msg', 'zero', 0), publishPacket('g/team/msg', 'one', 1))
  await alice.wait('puback')
  await bob.wait('publish', 2)
  t.same(texts(bob), ['zero', 'one'])
  t.same(
    alice.packets.map(({ cmd }) => cmd),
    ['connack', 'puback'],
  )
  const json = bob.of('publish').map(({ payload }) => JSON.parse(payload.toString()))
  t.equal(json[1].seq, json[0].seq + 1, 'both have positions in the log')
})

t.test('a flood at QoS 0 is held back while the store is slow, and loses nothing', async (t) => {
  const bench = await makeBenchBroker(t)
  bench.world.memory.group('town', 'alice')
  const alice = await connectBench(t, bench.port, 'alice')
  alice.send(publishBench('g/town/msg', 'route', 1))
  await alice.got('puback')
  bench.hold()
  const flood = Array.from({ length: 3000 }, (_, index) => `m${index}`)
  alice.send(...flood.map((text) => ({ ...publishBench('g/town/msg', text, 0), qos: 0 }) as never))
  await until('it is held', () => bench.asked() === 1 + 8)
  const other = await connectBench(t, bench.port, 'bob')
  other.send({ cmd: 'pingreq' })
  await other.got('pingresp')
  t.equal(bench.asked(), 1 + 8, 'publishesInFlightMax of them wait, the rest is not read')
  bench.release()
  await until('all are stored', () => bench.stored.length === 1 + flood.length)
  t.same(bench.stored.slice(1), flood)
})

t.test('QoS 1 is answered by a PUBACK of the same packet id [MQTT-4.3.2-2]', async (t) => {
  const alice = await connect(t, 'alice')
  for (const id of [1, 65_535, 256, 255]) alice.send(publishPacket('g/team/msg', `${id}`, id))
  const pubacks = await alice.wait('puback', 4)
  t.same(
    pubacks.map(({ messageId }) => messageId),
    [1, 65_535, 256, 255],
    'in the order of the publishes [MQTT-4.6.0-2]',
  )
})

t.test('after its PUBACK a packet id is a new message, DUP or not [MQTT-4.3.2-2]', async (t) => {
  const [alice, bob] = [await connect(t, 'alice'), await connect(t, 'bob')]
  await subscribe(bob, ['g/team/msg', 1])
  const same = publishPacket('g/team/msg', 'same', 7)
  alice.send(same)
  await alice.wait('puback')
  alice.send(same)
  await alice.wait('puback', 2)
  await bob.wait('publish', 2)
  t.same(texts(bob), ['same', 'same'])
})

t.test('the DUP of a PUBLISH says nothing to subscribers [MQTT-3.3.1-3]', async (t) => {
  const [alice, bob] = [await connect(t, 'alice'), await connect(t, 'bob')]
  await subscribe(bob, ['g/team/msg', 1])
  alice.send({ ...publishPacket('g/team/msg', 'hi', 1), dup: true })
  await bob.wait('publish')
  t.match(bob.of('publish'), [{ dup: false, qos: 1 }])
})

t.test('DUP is 0 on what is delivered at QoS 0 [MQTT-3.3.1-2]', async (t) => {
  const [alice, bob] = [await connect(t, 'alice'), await connect(t, 'bob')]
  await subscribe(bob, ['g/team/msg', 0])
  alice.send({ ...publishPacket('g/team/msg', 'hi', 1), dup: true })
  await bob.wait('publish')
  t.match(bob.of('publish'), [{ dup: false, qos: 0 }])
})

for (const [qos, granted] of [
  [0, 0],
  [1, 1],
  [2, 1],
] as const) {
  t.test(`QoS ${qos} is granted as ${granted}, and delivered so [MQTT-3.8.4-6]`, async (t) => {
    const [alice, bob] = [await connect(t, 'alice'), await connect(t, 'bob')]
    const suback = await subscribe(bob, ['g/team/msg', qos])
    t.same(suback?.granted, [granted])
    alice.send({ ...publishPacket('g/team/msg', 'hi', 1), qos: 2 })
    await bob.wait('publish')
    t.match(bob.of('publish'), [{ qos: granted }])
  })
}

t.test('a retained message is stored and delivered as any other, RETAIN 0', async (t) => {
  // Chat is kept in the log, which every member can read: nothing is to be retained besides, and a
  // device that comes later must not take the last message for a new one.
  const [alice, bob] = [await connect(t, 'alice'), await connect(t, 'bob')]
  await subscribe(bob, ['g/team/msg', 1])
  alice.send(
    { ...publishPacket('g/team/msg', 'keep me', 1), retain: true },
    { ...publishPacket('g/team/msg', '', 2), retain: true },
  )
  await alice.wait('puback', 2)
  await bob.wait('publish', 2)
  t.same(texts(bob), ['keep me', ''], 'an empty one is a message too')
  t.ok(
    bob.of('publish').every(({ retain }) => !retain),
    'to a subscription that was there [MQTT-3.3.1-9]',
  )
  const later = await connect(t, 'bob')
  await subscribe(later, ['g/team/msg', 1])
  await settle(later)
  t.same(later.of('publish'), [], 'and a new subscription gets none')
})

/** Topic, filters with their QoS, and the QoS of the delivery. */
const overlaps: readonly (readonly [string, Readonly<Record<string, Qos>>, Qos])[] = [
  ['u/bob/msg', { 'u/bob/#': 1, 'u/bob/msg': 0 }, 1],
  ['u/bob/msg', { 'u/bob/#': 0, 'u/bob/msg': 1 }, 1],
  ['u/bob/msg', { 'u/bob/#': 0, 'u/bob/msg': 0 }, 0],
  ['g/team/msg', { 'g/+/msg': 0, 'g/team/#': 1 }, 1],
  ['g/team/msg', { 'g/+/msg': 1, 'g/team/#': 0 }, 1],
  ['g/team/msg', { 'g/+/#': 0, 'g/+/msg': 0, 'g/team/#': 0, 'g/team/msg': 1 }, 1],
]
for (const [topic, filters, qos] of overlaps) {
  const names = Object.entries(filters).map(([filter, qos]) => `${filter} at ${qos}`)
  const title = `${names.join(' and ')} deliver once, at QoS ${qos} [MQTT-3.3.5-1]`
  t.test(title, async (t) => {
    for (const apart of [false, true]) {
      const [alice, bob] = [await connect(t, 'alice'), await connect(t, 'bob')]
      if (!apart) await subscribe(bob, ...Object.entries(filters))
      else for (const filter of Object.entries(filters)) await subscribe(bob, filter)
      await publish(alice, topic, 'one', 'two')
      await until('both', () => messages(bob).length >= 2)
      await settle(bob)
      t.same(texts(bob), ['one', 'two'], apart ? 'by SUBSCRIBEs apart' : 'by one SUBSCRIBE')
      t.ok(messages(bob).every((packet) => packet.qos === qos))
    }
  })
}

t.test('a SUBACK has the packet id, and a code for each filter [MQTT-3.8.4-1..5]', async (t) => {
  const bob = await connect(t, 'bob')
  const filters = ['g/team/msg', 'g/nowhere/msg', 'u/bob/#', 'u/alice/msg'] as const
  const subscriptions = filters.map((topic, index) => ({ topic, qos: (index % 3) as Qos }))
  bob.send({ cmd: 'subscribe', messageId: 4711, subscriptions })
  const [suback] = await bob.wait('suback')
  t.equal(suback?.messageId, 4711)
  t.same(codesOf(suback), [0, 128, 1, 128])
})

t.test('an equal filter replaces the one before, and nothing is lost [MQTT-3.8.4-3]', async (t) => {
  const [alice, bob] = [await connect(t, 'alice'), await connect(t, 'bob')]
  await subscribe(bob, ['g/team/msg', 1])
  await publish(alice, 'g/team/msg', 'one')
  await subscribe(bob, ['g/team/msg', 0])
  await publish(alice, 'g/team/msg', 'two')
  await subscribe(bob, ['g/team/msg', 1])
  await publish(alice, 'g/team/msg', 'three')
  await bob.wait('publish', 3)
  t.same(texts(bob), ['one', 'two', 'three'])
  t.same(
    bob.of('publish').map(({ qos }) => qos),
    [1, 0, 1],
  )
})

t.test('subscribing again while messages come loses and repeats none [MQTT-3.8.4-3]', async (t) => {
  const [alice, bob] = [await connect(t, 'alice'), await connect(t, 'bob')]
  await subscribe(bob, ['g/team/msg', 1])
  const said = Array.from({ length: 400 }, (_, index) => `m${index}`)
  alice.send(...said.map((text, index) => publishPacket('g/team/msg', text, index + 1)))
  for (let id = 1; id <= 20; id++) bob.send(subscribePacket('g/team/msg', id))
  await bob.wait('publish', said.length)
  await settle(bob)
  t.same(texts(bob), said)
})

t.test('an UNSUBSCRIBE is answered, whether it matched or not [MQTT-3.10.4-4..6]', async (t) => {
  const [alice, bob] = [await connect(t, 'alice'), await connect(t, 'bob')]
  await subscribe(bob, ['g/team/msg', 1], ['g/+/#', 1])
  bob.send(
    { cmd: 'unsubscribe', messageId: 8, unsubscriptions: ['g/team/#', 'g/+/msg', 'no/such'] },
    { cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['g/+/#', 'g/team/#'] },
  )
  t.match(await bob.wait('unsuback', 2), [{ messageId: 8 }, { messageId: 9 }])
  await publish(alice, 'g/team/msg', 'still')
  await bob.wait('publish')
  t.same(texts(bob), ['still'], 'filters are compared by their characters [MQTT-3.10.4-1]')
  bob.send({ cmd: 'unsubscribe', messageId: 10, unsubscriptions: ['g/team/msg'] })
  await bob.wait('unsuback', 3)
  await publish(alice, 'g/team/msg', 'unheard')
  await settle(bob)
  t.same(texts(bob), ['still'], 'nothing new is delivered [MQTT-3.10.4-2]')
})

t.test('what was begun may be acknowledged after UNSUBSCRIBE [MQTT-3.10.4-3]', async (t) => {
  const alice = await connect(t, 'alice')
  const device = { user: 'bob', id: 'begun', acknowledge: false }
  const bob = await connectRaw(t, server, device)
  await subscribe(bob, ['g/team/msg', 1])
  await publish(alice, 'g/team/msg', 'begun')
  const [delivery] = await bob.wait('publish')
  bob.send({ cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['g/team/msg'] })
  await bob.wait('unsuback')
  bob.send({ cmd: 'puback', messageId: delivery?.messageId ?? 0 })
  await settle(bob)
  t.notOk(bob.isClosed())
})

t.test('messages of a topic keep their order for all subscribers [MQTT-4.6.0-5, -6]', async (t) => {
  const [alice, carol] = [await connect(t, 'alice'), await connect(t, 'alice')]
  const listeners = [await connect(t, 'bob'), await connect(t, 'bob')]
  for (const [index, bob] of listeners.entries()) await subscribe(bob, ['g/+/msg', index as Qos])
  const all = (who: string) => Array.from({ length: 200 }, (_, index) => `${who} ${index}`)
  const packets = (who: string) =>
    all(who).map((text, index) => {
      const qos = (index % 3) as Qos
      return { ...publishPacket('g/team/msg', text, index + 1), qos }
    })
  alice.send(...packets('a'))
  carol.send(...packets('c'))
  for (const bob of listeners) await bob.wait('publish', 400)
  const [first, second] = listeners.map(texts)
  t.same(first, second, 'one order for all')
  for (const who of ['a', 'c']) {
    t.same(
      first?.filter((text) => text.startsWith(who)),
      all(who),
      'in which each publisher keeps its own [MQTT-4.6.0-3]',
    )
  }
})

t.test('topics are compared by case and character [MQTT-4.7.3-4]', async (t) => {
  await server.addGroup('Team', ['alice', 'bob'])
  await server.addGroup('Te\u00e4m', ['alice', 'bob'])
  await server.addGroup('Tea\u0308m', ['alice', 'bob'])
  const [alice, bob] = [await connect(t, 'alice'), await connect(t, 'bob')]
  await subscribe(bob, ['g/Te\u00e4m/msg', 1])
  for (const group of ['team', 'Team', 'Tea\u0308m', 'Te\u00e4m']) {
    await publish(alice, `g/${group}/msg`, group)
  }
  await bob.wait('publish')
  await settle(bob)
  t.same(texts(bob), ['Te\u00e4m'])
})
