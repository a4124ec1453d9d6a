// The packets of clients: read as mqtt-packet wrote them, at every level, and refused when they
// break a MUST of MQTT 3.1.1 or 5.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import mqtt from 'mqtt-packet'
import t from 'tap'
import type { ConnectPacket } from '../../../broker/edge/client-packets.ts'
import {
  readAuth,
  readConnect,
  readDisconnect,
  readSubscribe,
  readUnsubscribe,
} from '../../../broker/edge/client-packets.ts'
import { FatalPacket } from '../../../broker/edge/fatal-packet.ts'
import type { Frame } from '../../../broker/edge/framer.ts'
import { packetType, readPacketId, readPublish } from '../../../broker/edge/packets.ts'
import type { Level } from '../../../broker/edge/reader.ts'
import { holds } from '../../protocol/support/property.ts'
import { malformedPackets, toBytes } from '../../support/malformed-packets.ts'
import { bytesOf, field } from '../../support/raw-client.ts'
import { frameOf, orFatal, packetId } from './support/packets.ts'
import { generate, propertiesFor } from './support/properties.ts'

const level = fc.constantFrom<Level>(3, 4, 5)
const text = fc
  .string({ unit: 'grapheme', maxLength: 20 })
  .map((it) => Buffer.from(it.replaceAll(/[+#\0]/g, '')).toString())
const topic = text.filter((it) => it !== '')
const bytes = fc.uint8Array({ maxLength: 40 }).map((it) => Buffer.from(it))
const qos = fc.constantFrom<0 | 1 | 2>(0, 1, 2)
const option = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined })

const anyConnect = fc
  .record({
    level,
    clientId: topic,
    clean: fc.boolean(),
    keepAliveSeconds: fc.nat(65_535),
    will: option(
      fc.record({
        topic,
        payload: bytes,
        qos,
        retain: fc.boolean(),
        properties: propertiesFor('will'),
      }),
    ),
    userName: option(topic),
    password: option(bytes.filter((it) => it.length > 0)),
    properties: propertiesFor('connect'),
  })
  .map(({ will, properties, password, ...packet }): ConnectPacket => {
    const isFive = packet.level === 5
    return {
      ...packet,
      // mqtt-packet writes no password without a user name, also where it is allowed.
      password: packet.userName === undefined ? undefined : password,
      will: will && { ...will, properties: isFive ? will.properties : {} },
      properties: isFive ? properties : {},
    }
  })

t.test('a CONNECT is read as mqtt-packet wrote it', async (t) => {
  const property = fc.property(anyConnect, (sent) => {
    const { level, keepAliveSeconds, userName, password, will, ...rest } = sent
    const packet = generate(
      {
        ...rest,
        cmd: 'connect',
        protocolId: level === 3 ? 'MQIsdp' : 'MQTT',
        protocolVersion: level,
        keepalive: keepAliveSeconds,
        ...(userName === undefined ? {} : { username: userName }),
        ...(password === undefined ? {} : { password }),
        ...(will === undefined ? {} : { will }),
      },
      level,
    )
    assert.deepEqual(readConnect(frameOf(packet)), sent)
  })
  holds(t, property, 500)
})

t.test('a PUBLISH of level 5 is read as mqtt-packet wrote it', async (t) => {
  const anyPublish = fc.record({
    topic,
    payload: bytes,
    qos,
    retain: fc.boolean(),
    packetId,
    properties: propertiesFor('publish'),
  })
  const property = fc.property(anyPublish, (sent) => {
    const head = { ...sent, dup: false, packetId: sent.qos === 0 ? 0 : sent.packetId }
    const packet = generate({ cmd: 'publish', messageId: sent.packetId, ...sent, dup: false }, 5)
    const read = readPublish(frameOf(packet), 5)
    assert.deepEqual({ ...read, payload: Buffer.from(read.payload) }, head)
  })
  holds(t, property, 500)
})

t.test('a SUBSCRIBE is read as mqtt-packet wrote it', async (t) => {
  const subscription = fc.record({
    filter: topic,
    qos,
    noLocal: fc.boolean(),
    retainAsPublished: fc.boolean(),
    retainHandling: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
  })
  const anySubscribe = fc.record({
    packetId,
    level,
    subscriptions: fc.array(subscription, { minLength: 1, maxLength: 5 }),
    properties: propertiesFor('subscribe'),
  })
  const property = fc.property(anySubscribe, ({ packetId, level, subscriptions, properties }) => {
    const isFive = level === 5
    const sent = subscriptions.map((it) =>
      isFive
        ? { ...it, noLocal: it.noLocal && !it.filter.startsWith('$share/') }
        : { ...it, noLocal: false, retainAsPublished: false, retainHandling: 0 },
    )
    const packet = generate(
      {
        cmd: 'subscribe',
        messageId: packetId,
        subscriptions: sent.map(({ filter, qos, noLocal, retainAsPublished, retainHandling }) => ({
          topic: filter,
          qos,
          ...(isFive ? { nl: noLocal, rap: retainAsPublished, rh: retainHandling } : {}),
        })),
        properties: isFive ? properties : {},
      },
      level,
    )
    const expected = { packetId, subscriptions: sent, properties: isFive ? properties : {} }
    assert.deepEqual(readSubscribe(frameOf(packet), level), expected)
  })
  holds(t, property)
})

t.test('an UNSUBSCRIBE is read as mqtt-packet wrote it', async (t) => {
  const filters = fc.array(topic, { minLength: 1, maxLength: 5 })
  const property = fc.property(
    packetId,
    filters,
    level,
    propertiesFor('unsubscribe'),
    (packetId, filters, level, some) => {
      const properties = level === 5 ? some : {}
      const packet = generate(
        { cmd: 'unsubscribe', messageId: packetId, unsubscriptions: filters, properties },
        level,
      )
      const read = readUnsubscribe(frameOf(packet), level)
      assert.deepEqual(read, { packetId, filters, properties })
    },
  )
  holds(t, property)
})

t.test('a packet of a thousand filters is read, one of more ends the connection', async (t) => {
  for (const [count, isFine] of [
    [1000, true],
    [1001, false],
    [50_000, false],
  ] as const) {
    const filters = Array<Buffer>(count).fill(field('x'))
    const subscribe = bytesOf(0x82, 0, 1, ...filters.flatMap((it) => [it, 1]))
    const unsubscribe = bytesOf(0xa2, 0, 1, ...filters)
    t.equal(orFatal(() => readSubscribe(frameOf(subscribe), 4)) !== undefined, isFine)
    t.equal(orFatal(() => readUnsubscribe(frameOf(unsubscribe), 4)) !== undefined, isFine)
  }
})

t.test('acknowledgements, DISCONNECT and AUTH of level 5 are read', async (t) => {
  const kinds = fc.constantFrom('puback', 'pubrec', 'pubrel', 'pubcomp')
  const acknowledgements = fc.property(
    kinds,
    packetId,
    propertiesFor('acknowledgement'),
    (cmd, id, properties) => {
      const reasonCode = cmd === 'pubrel' || cmd === 'pubcomp' ? 0x92 : 0x97
      const packet = generate({ cmd, messageId: id, reasonCode, properties }, 5)
      assert.equal(readPacketId(frameOf(packet), 5), id)
    },
  )
  holds(t, acknowledgements)
  const ends = fc.property(propertiesFor('disconnect'), (properties) => {
    const packet = generate({ cmd: 'disconnect', reasonCode: 4, properties }, 5)
    assert.deepEqual(readDisconnect(frameOf(packet), 5), { reason: 4, properties })
  })
  holds(t, ends)
  const auths = fc.property(propertiesFor('auth'), (properties) => {
    const packet = generate({ cmd: 'auth', reasonCode: 0x19, properties }, 5)
    assert.deepEqual(readAuth(frameOf(packet)), { reason: 0x19, properties })
  })
  holds(t, auths)
})

/** A reader for every kind of packet that clients send. */
const readers: Readonly<Record<number, (frame: Frame, level: Level) => unknown>> = {
  [packetType.connect]: readConnect,
  [packetType.publish]: readPublish,
  [packetType.puback]: readPacketId,
  [packetType.pubrec]: readPacketId,
  [packetType.pubrel]: readPacketId,
  [packetType.pubcomp]: readPacketId,
  [packetType.subscribe]: readSubscribe,
  [packetType.unsubscribe]: readUnsubscribe,
  [packetType.disconnect]: readDisconnect,
  [packetType.auth]: readAuth,
}
const readerTypes = Object.keys(readers).map(Number)

t.test('any bytes are read, or end the connection, and nothing around them counts', async (t) => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.array(fc.constantFrom(0, 0, 1, 2, 4, 5, 38, 77, 81, 84), { maxLength: 40 }),
  )
  const types = fc.constantFrom(...readerTypes)
  const property = fc.property(types, fc.nat(15), body, level, (type, flags, body, level) => {
    const packet = Buffer.from([(type << 4) | flags, body.length, ...body])
    const seen = [0x41, 0].map((around) => {
      const frame = frameOf(Buffer.concat([packet, Buffer.alloc(80, around)]))
      return JSON.stringify(orFatal(() => readers[type]?.(frame, level)))
    })
    assert.equal(seen[0], seen[1])
  })
  holds(t, property, 5000)
})

t.test('a packet that breaks a MUST ends its connection', async (t) => {
  for (const [what, level, packet] of malformedPackets) {
    const bytes = toBytes(packet)
    const read = readers[(bytes[0] as number) >> 4]
    t.throws(() => read?.(frameOf(bytes), level), FatalPacket, what)
  }
})

t.test('a protocol level that is not spoken is told apart from a broken CONNECT', async (t) => {
  const packets: readonly [string, number][] = [
    ["10 0004'MQTT' 06 02 0000", 6],
    ["10 0004'MQTT' 03 02 0000 0001'a'", 3],
    ["10 0006'MQIsdp' 04 02 0000 0001'a'", 4],
    ["10 0004'MQTT' 84 02 0000 0001'a'", 0x84],
    ["10 0004'MQTT' 00", 0],
  ]
  for (const [packet, level] of packets) {
    t.equal(readConnect(frameOf(toBytes(packet))), level, packet)
  }
})

t.test('at level 5 a password may come without a user name', async (t) => {
  const packet = toBytes("10 0004'MQTT' 05 42 0000 00 0001'a' 0001'p'")
  t.match(readConnect(frameOf(packet)), { password: Buffer.from('p'), userName: undefined })
})

t.test('U+FEFF is kept in a text [MQTT-1.5.3-3]', async (t) => {
  const packet = toBytes("10 0004'MQTT' 04 02 0000 0004 efbbbf'a'")
  t.match(readConnect(frameOf(packet)), { clientId: '\ufeffa' })
})

t.test(
  'what the parser of aedes accepts wrongly is a reason for a reader of our own',
  async (t) => {
    const parser = mqtt.parser({ protocolVersion: 4 })
    const accepted: string[] = []
    parser.on('packet', ({ cmd }) => accepted.push(cmd))
    parser.on('error', () => accepted.push('refused'))
    for (const packet of ["30 0003't/' 00", "10 0004'MQTT' 04 02 0000 0001'a' 00"]) {
      parser.parse(toBytes(packet))
    }
    t.same(accepted, ['publish', 'connect'])
  },
)
