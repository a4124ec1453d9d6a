// What the edge reads and writes itself is what mqtt-packet reads and writes.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import mqtt from 'mqtt-packet'
import t from 'tap'
import { FatalPacket } from '../../../broker/edge/fatal-packet.ts'
import {
  packetType,
  readPacketId,
  readPublish,
  stampPublish,
  writeAcknowledgement,
  writeConnack,
  writeDisconnect,
  writePublish,
  writeSuback,
  writeUnsuback,
} from '../../../broker/edge/packets.ts'
import { holds } from '../../protocol/support/property.ts'
import { anyPublish, anyTopic, frameOf, orFatal, packetId, parseAll } from './support/packets.ts'

const steps = [0, 1, 126, 127, 128, 129, 16_382, 16_383, 16_384, 16_385, 2_097_151, 2_097_152]

t.test('a PUBLISH is read as mqtt-packet wrote it', async (t) => {
  const property = fc.property(anyPublish, (sent) => {
    const read = readPublish(frameOf(mqtt.generate(sent)), 4)
    const { topic, qos, dup, retain, payload, messageId: packetId = 0 } = sent
    assert.deepEqual(
      { ...read, payload: Buffer.from(read.payload) },
      { topic, qos, packetId, dup, retain, payload, properties: {} },
    )
  })
  holds(t, property, 500)
})

t.test('a PUBLISH of any bytes is read, or ends the connection', async (t) => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .tuple(fc.nat(40), fc.uint8Array({ maxLength: 40 }))
      .map(([n, b]) => Uint8Array.of(0, n, ...b)),
  )
  const property = fc.property(fc.nat(15), body, (flags, bytes) => {
    // Bytes around the packet must not be taken for its own.
    const packet = Buffer.from([0x30 | flags, bytes.length, ...bytes])
    const frame = frameOf(Buffer.concat([packet, Buffer.alloc(80, 0x41)]))
    const read = orFatal(() => readPublish(frame, 4))
    if (read === undefined) return
    const size = 2 + Buffer.byteLength(read.topic) + (read.qos ? 2 : 0) + read.payload.length
    assert.equal(size, bytes.length)
    assert.equal(read.qos, (flags >> 1) & 3)
    assert.equal(read.packetId > 0, read.qos > 0)
  })
  holds(t, property, 3000)
})

t.test('a PUBLISH that breaks MQTT 3.1.1 says what is wrong', async (t) => {
  const broken: [string, number[], RegExp][] = [
    ['QoS 3', [0x36, 5, 0, 1, 97, 0, 1], /3\.3\.1-4/],
    ['DUP at QoS 0', [0x38, 3, 0, 1, 97], /3\.3\.1-2/],
    ['nothing at all', [0x30, 0], /topic/],
    ['half a length', [0x30, 1, 0], /topic/],
    ['a topic above the packet', [0x30, 3, 0, 9, 97], /early/],
    ['no packet id', [0x32, 3, 0, 1, 97], /early/],
    ['half a packet id', [0x32, 4, 0, 1, 97, 1], /early/],
    ['packet id 0', [0x32, 5, 0, 1, 97, 0, 0], /2\.3\.1-1/],
    ['an overlong form', [0x30, 4, 0, 2, 0xc0, 0x80], /1\.5\.3-1/],
    ['a surrogate', [0x30, 5, 0, 3, 0xed, 0xa0, 0x80], /1\.5\.3-1/],
    ['half a character', [0x30, 3, 0, 1, 0xc3], /1\.5\.3-1/],
    ['a NUL', [0x30, 3, 0, 1, 0], /1\.5\.3-2/],
  ]
  for (const [what, bytes, reason] of broken) {
    t.throws(() => readPublish(frameOf(Buffer.from(bytes)), 4), { message: reason }, what)
  }
  t.match(readPublish(frameOf(Buffer.from([0x32, 4, 0, 0, 0, 1])), 4), { topic: '', packetId: 1 })
  t.match(readPublish(frameOf(Buffer.from([0x39 - 8, 3, 0, 1, 97])), 4), { topic: 'a' }, 'RETAIN')
})

t.test('a PUBLISH is written as mqtt-packet writes it', async (t) => {
  const text = fc
    .string({ unit: 'grapheme', maxLength: 300 })
    .map((it) => Buffer.from(it).toString())
  const property = fc.property(anyTopic, text, (topic, payload) => {
    const expected = mqtt.generate({
      cmd: 'publish',
      topic,
      payload,
      qos: 0,
      dup: false,
      retain: false,
    })
    assert.ok(writePublish(topic, payload, 0).equals(expected))
  })
  holds(t, property)
})

t.test('the copy for a receiver has its packet id and DUP, whatever the length', async (t) => {
  const sizes = fc.oneof(fc.nat(300), fc.constantFrom(...steps))
  const property = fc.property(anyTopic, sizes, packetId, fc.boolean(), (topic, size, id, dup) => {
    const fixed = 2 + Buffer.byteLength(topic) + 2
    const payload = 'é'.repeat(Math.max(0, size - fixed) >> 1) + 'x'.repeat(size & 1)
    const before = Buffer.from('before')
    const bytes = Buffer.concat([before, writePublish(topic, payload, 1)])
    stampPublish(bytes, before.length, dup ? -id : id)
    const copy = bytes.subarray(before.length)
    const head = { cmd: 'publish', topic, qos: 1, retain: false, dup, messageId: id } as const
    assert.ok(copy.equals(mqtt.generate({ ...head, payload })))
    assert.ok(bytes.subarray(0, before.length).equals(before), 'nothing before it is touched')
  })
  holds(t, property)
})

t.test('every step of the remaining length is written as mqtt-packet writes it', async (t) => {
  for (const qos of [0, 1] as const) {
    for (const length of steps) {
      const payload = 'x'.repeat(Math.max(0, length - 3 - qos * 2))
      const packet = writePublish('t', payload, qos)
      if (qos === 1) stampPublish(packet, 0, 258)
      const id = qos === 0 ? {} : { messageId: 258 }
      const head = { cmd: 'publish', topic: 't', qos, retain: false, dup: false, ...id } as const
      t.ok(packet.equals(mqtt.generate({ ...head, payload })), `QoS ${qos}, ${length} bytes`)
    }
  }
})

t.test('acknowledgements are those of mqtt-packet, and their packet id is read back', async (t) => {
  const kinds = fc.constantFrom('puback', 'pubrec', 'pubrel', 'pubcomp')
  const property = fc.property(kinds, packetId, (cmd, messageId) => {
    const bytes = writeAcknowledgement(packetType[cmd], messageId)
    assert.ok(bytes.equals(mqtt.generate({ cmd, messageId })), cmd)
    assert.equal(readPacketId(frameOf(bytes), 4), messageId)
    assert.ok(
      writeUnsuback(messageId, [0, 17], 4).equals(
        mqtt.generate({ cmd: 'unsuback', messageId } as never),
      ),
    )
  })
  holds(t, property)
})

t.test('an acknowledgement that is not two bytes long has no packet id', async (t) => {
  for (const bytes of [[], [1], [0, 1, 0]]) {
    const frame = frameOf(Buffer.from([0x40, bytes.length, ...bytes, 0, 0, 0]))
    t.throws(() => readPacketId(frame, 4), FatalPacket, `${bytes.length} bytes`)
  }
})

t.test('SUBACK of any number of codes is that of mqtt-packet', async (t) => {
  const codes = fc.array(fc.constantFrom(0, 1, 128), { minLength: 1, maxLength: 300 })
  const property = fc.property(codes, packetId, (granted, messageId) => {
    const packet = { cmd: 'suback', messageId, granted } as const
    assert.ok(writeSuback(messageId, granted, 4).equals(mqtt.generate(packet)))
    const options = { protocolVersion: 5 }
    assert.ok(writeSuback(messageId, granted, 5).equals(mqtt.generate(packet, options)))
    const unsuback = { cmd: 'unsuback', messageId, granted } as never
    assert.ok(writeUnsuback(messageId, granted, 5).equals(mqtt.generate(unsuback, options)))
  })
  holds(t, property)
  const many = new Array<number>(200_000).fill(128)
  t.match(parseAll(writeSuback(7, many, 4)), [{ cmd: 'suback', messageId: 7 }])
})

t.test('below level 5 every refusal of a SUBACK is 128 [MQTT-3.9.3-2]', async (t) => {
  t.same([...writeSuback(7, [0x87, 2, 0x97, 0x9e], 4).subarray(4)], [128, 2, 128, 128])
})

t.test('CONNACK and DISCONNECT of level 5 are those of mqtt-packet', async (t) => {
  const properties = { sessionExpiryInterval: 60, reasonString: 'why', receiveMaximum: 7 }
  const five = { protocolVersion: 5 } as const
  const connack = mqtt.generate(
    { cmd: 'connack', reasonCode: 0x87, sessionPresent: false, properties },
    five,
  )
  const answer = { code: 0x87, present: false, properties }
  t.same(parseAll(writeConnack(5, answer), 5), parseAll(connack, 5))
  const end = { reasonString: 'why' }
  const disconnect = mqtt.generate({ cmd: 'disconnect', reasonCode: 0x8e, properties: end }, five)
  t.ok(writeDisconnect(0x8e, end).equals(disconnect))
})

t.test('CONNACK is that of mqtt-packet for every return code', async (t) => {
  for (const returnCode of [0, 1, 2, 3, 4, 5]) {
    for (const sessionPresent of returnCode === 0 ? [false, true] : [false]) {
      const expected = mqtt.generate({ cmd: 'connack', returnCode, sessionPresent })
      const answer = { code: returnCode, present: sessionPresent, properties: {} }
      t.ok(writeConnack(4, answer).equals(expected), `code ${returnCode}`)
    }
  }
})
