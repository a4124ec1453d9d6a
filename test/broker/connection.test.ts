// What a connection does with the bytes it reads: order, holds and the packets that end it.

import type mqtt from 'mqtt-packet'
import t from 'tap'
import { until } from '../support/until.ts'
import {
  connectPacket,
  connectRaw,
  makeBenchBroker,
  openRaw,
  publish,
} from './support/bench-broker.ts'

const idsOf = (packets: readonly mqtt.Packet[]) => packets.map(({ messageId }) => messageId)
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)
/** CONNECT with clean=false and an empty client id, which mqtt-packet refuses to write. */
const namelessConnect = Buffer.from([
  0x10, 18, 0, 4, 77, 81, 84, 84, 4, 0xc0, 0, 0, 0, 0, 0, 1, 97, 0, 1, 97,
])
const subscribe = (...filters: string[]): mqtt.Packet => ({
  cmd: 'subscribe',
  messageId: 9,
  subscriptions: filters.map((topic) => ({ topic, qos: 1 as const })),
})

t.test('a publisher that outruns the store is not read, and then answered in order', async (t) => {
  const { world, port, hold, release, stored, asked } = await makeBenchBroker(t)
  world.memory.group('town', 'alice')
  const alice = await connectRaw(t, port, 'alice')
  hold()
  for (const id of range(1, 500)) alice.send(publish('g/town/msg', `${id}`, id))
  await until('the bound is reached', () => asked() >= 8)
  const [before] = [asked()]
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.same([before, asked()], [8, 8], 'publishesInFlightMax of them')
  t.same(alice.packets.length, 1, 'no answer before the commit')
  release()
  t.same(idsOf(await alice.got('puback', 500)), range(1, 500))
  t.same(stored, range(1, 500).map(String))
})

t.test('refused and stored messages are answered in the order they came', async (t) => {
  const { world, port, stored } = await makeBenchBroker(t)
  world.memory.group('town', 'alice')
  const alice = await connectRaw(t, port, 'alice')
  alice.send(subscribe('u/alice/error'))
  await alice.got('suback')
  const topics = ['g/town/msg', 'g/nowhere/msg', 'g/town/msg', 't/x', 'g/town/msg']
  const big = 'x'.repeat(1001)
  alice.send(
    ...topics.map((topic, index) => publish(topic, `${index + 1}`, index + 1)),
    publish('g/town/msg', big, 6),
    publish('g/town/msg', '{"text":5}', 7),
    publish('g/town/msg', '8', 8),
  )
  t.same(idsOf(await alice.got('puback', 8)), range(1, 8))
  t.same(stored, ['1', '3', '5', '8'])
  const explained = alice.packets.flatMap((packet, index) => {
    if (packet.cmd !== 'publish') return []
    const { code, packetId, clientId } = JSON.parse(String(packet.payload))
    const answer = alice.packets.findIndex((it) => it.cmd === 'puback' && it.messageId === packetId)
    return [[code, packetId, clientId, index < answer]]
  })
  t.same(explained, [
    ['not-a-member', 2, 'phone', true],
    ['not-authorized', 4, 'phone', true],
    ['payload-too-large', 6, 'phone', true],
    ['invalid-payload', 7, 'phone', true],
  ])
})

t.test('a PUBLISH behind a SUBSCRIBE in the same bytes is seen by the subscription', async (t) => {
  const { world, port } = await makeBenchBroker(t)
  world.memory.group('town', 'alice')
  const alice = await openRaw(t, port)
  alice.send(connectPacket('alice'), subscribe('g/+/msg'), publish('g/town/msg', 'hello', 1))
  await alice.got('publish')
  t.same(
    alice.packets.slice(0, 2).map(({ cmd }) => cmd),
    ['connack', 'suback'],
  )
})

t.test('what is sent before a half-close is stored', async (t) => {
  const { world, port, stored } = await makeBenchBroker(t)
  world.memory.group('town', 'alice')
  const alice = await openRaw(t, port)
  alice.send(
    connectPacket('alice'),
    ...range(1, 40).map((id) => publish('g/town/msg', `${id}`, id)),
  )
  alice.socket.end()
  await until('all are stored', () => stored.length === 40)
  t.same(stored, range(1, 40).map(String))
})

t.test('packets that break the protocol end the connection, and no other', async (t) => {
  const { world, port, stored } = await makeBenchBroker(t)
  world.memory.group('town', 'alice', 'bob')
  const bob = await connectRaw(t, port, 'bob')
  const bad: Record<string, mqtt.Packet | Buffer> = {
    'a wildcard': publish('g/+/msg', 'x', 1),
    'a $ topic': publish('$SYS/x', 'x', 1),
    'a topic of 101 levels': publish('/'.repeat(100), 'x', 1),
    'a NUL': Buffer.from([0x30, 3, 0, 1, 0]),
    'QoS 3': Buffer.from([0x36, 5, 0, 1, 97, 0, 1]),
    'packet id 0': Buffer.from([0x32, 5, 0, 1, 97, 0, 0]),
    'a second CONNECT': connectPacket('alice'),
    'a packet of a server': Buffer.from([0xd0, 0]),
    'type 0': Buffer.from([0, 0]),
    'type 15': Buffer.from([0xf0, 0]),
    'PUBACK with id 0': Buffer.from([0x40, 2, 0, 0]),
    'a short PUBACK': Buffer.from([0x40, 1, 0]),
    'PUBREL with other flags [MQTT-3.6.1-1]': Buffer.from([0x60, 2, 0, 1]),
    'SUBSCRIBE with other flags [MQTT-3.8.1-1]': Buffer.from([0x80, 6, 0, 1, 0, 1, 97, 0]),
    'SUBSCRIBE without filters [MQTT-3.8.3-3]': Buffer.from([0x82, 2, 0, 1]),
    'SUBSCRIBE at QoS 3 [MQTT-3.8.3-4]': Buffer.from([0x82, 6, 0, 1, 0, 1, 97, 3]),
    'SUBSCRIBE with id 0 [MQTT-2.3.1-1]': Buffer.from([0x82, 6, 0, 0, 0, 1, 97, 0]),
    'UNSUBSCRIBE without filters [MQTT-3.10.3-2]': Buffer.from([0xa2, 2, 0, 1]),
    'PINGREQ with other flags [MQTT-2.2.2-2]': Buffer.from([0xc1, 0]),
    'a packet above the bound': Buffer.from([0x30, 0x81, 0x20]),
    'a length of five bytes': Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 1]),
  }
  for (const [what, packet] of Object.entries(bad)) {
    const alice = await connectRaw(t, port, 'alice')
    alice.send(packet)
    await until(what, alice.isClosed, 1000).catch(() => {})
    t.equal(alice.isClosed(), true, what)
    alice.socket.destroy()
  }
  bob.send(publish('g/town/msg', 'still here', 1))
  await bob.got('puback')
  t.same(stored, ['still here'])
})

t.test('what is not a CONNECT of MQTT 3.1.1 ends a new connection, with its answer', async (t) => {
  const { port } = await makeBenchBroker(t)
  const cases: [string, mqtt.Packet | Buffer, number | undefined][] = [
    ['a PUBLISH first', publish('g/town/msg', 'x', 1), undefined],
    ['a PINGREQ first', Buffer.from([0xc0, 0]), undefined],
    [
      'another name',
      Buffer.from([0x10, 12, 0, 4, 77, 81, 84, 84 + 1, 4, 2, 0, 0, 0, 0]),
      undefined,
    ],
    ['level 6', Buffer.from([0x10, 12, 0, 4, 77, 81, 84, 84, 6, 2, 0, 0, 0, 0]), 1],
    ['no token', connectPacket('alice', { password: undefined } as never), 4],
    ['a bad token', connectPacket('x'), 4],
    ['no client id and clean=false', namelessConnect, 2],
    ['a client id with a slash', connectPacket('a', { clientId: 'b/c' }), 2],
    ['more than preConnectBytesMax', connectPacket('a'.repeat(1100)), undefined],
  ]
  for (const [what, packet, code] of cases) {
    const client = await openRaw(t, port)
    client.send(packet)
    await until(what, client.isClosed, 2000)
    t.same(
      client.packets.map((it) => (it.cmd === 'connack' ? it.returnCode : it.cmd)),
      code === undefined ? [] : [code],
      what,
    )
  }
})

t.test('a second connection of the device ends the first', async (t) => {
  const { broker, port } = await makeBenchBroker(t)
  const first = await connectRaw(t, port, 'alice')
  const second = await connectRaw(t, port, 'alice')
  const other = await connectRaw(t, port, 'bob')
  await until('the first is closed', first.isClosed)
  await until('two are left', () => broker.connections() === 2)
  t.same([second.isClosed(), other.isClosed()], [false, false])
})

t.test('a QoS 2 message is stored once, however often it is sent before its PUBREL', async (t) => {
  const { world, port, stored } = await makeBenchBroker(t)
  world.memory.group('town', 'alice')
  const alice = await connectRaw(t, port, 'alice')
  const message = { ...publish('g/town/msg', 'once', 5), qos: 2 } as mqtt.IPublishPacket
  alice.send(message, { ...message, dup: true })
  await alice.got('pubrec')
  alice.send({ ...message, dup: true })
  await alice.got('pubrec', 2)
  alice.send({ cmd: 'pubrel', messageId: 5 }, { cmd: 'pubrel', messageId: 77 })
  t.same(idsOf(await alice.got('pubcomp', 2)), [5, 77])
  t.same(stored, ['once'])
  alice.send(message)
  await until('the id is free again', () => stored.length === 2)
})

t.test('a client that floods pings and reads no answers is not read for ever', async (t) => {
  const { port } = await makeBenchBroker(t)
  const alice = await connectRaw(t, port, 'alice')
  alice.socket.pause()
  const pings = Buffer.alloc(200_000, Buffer.from([0xc0, 0]))
  const total = 200
  for (let i = 0; i < total; i++) alice.socket.write(pings)
  let before = -1
  await until('it is held', async () => {
    const isStill = before === alice.socket.writableLength
    before = alice.socket.writableLength
    await new Promise((resolve) => setTimeout(resolve, 100))
    return isStill
  })
  t.ok(alice.socket.writableLength > 0, 'its bytes stay at its own side')
})

t.test('a client that pings is not taken for silent because it is not read', async (t) => {
  const { world, port, hold } = await makeBenchBroker(t)
  world.memory.group('town', 'alice')
  const alice = await openRaw(t, port)
  alice.send(connectPacket('alice', { keepalive: 1 }))
  await alice.got('connack')
  hold()
  for (const id of range(1, 50)) alice.send(publish('g/town/msg', `${id}`, id))
  const pings = setInterval(() => alice.send(Buffer.from([0xc0, 0])), 300)
  t.teardown(() => clearInterval(pings))
  await until('it is cut', alice.isClosed, 3500).catch(() => {})
  t.equal(alice.isClosed(), false, 'the server waits for its own store')
})
