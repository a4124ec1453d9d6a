// The note before a payload: what goes in comes out, as MQTT 5 writes it.

import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import mqtt from 'mqtt-packet'
import t from 'tap'
import type { Properties } from '../../../broker/edge/properties.ts'
import { noProperties } from '../../../broker/edge/properties.ts'
import { OutboundAliases } from '../../../broker/edge/topic-aliases.ts'
import { aliased } from '../../../broker/plain/alias.ts'
import {
  age,
  beginLife,
  readNote,
  withIdentifier,
  writeLevel5,
  writeNoted,
} from '../../../broker/plain/note.ts'

const head = { topic: 't/ä', qos: 1, packetId: 7, dup: false } as const
const now = 1_800_000_000_000

/** The payload that aedes sees of a PUBLISH. */
function throughAedes(retain: boolean, properties: Properties, payload: Buffer): Buffer {
  const packet = parse(writeNoted({ ...head, retain, properties, payload }), 4)
  assert.equal(packet.topic, head.topic)
  assert.equal(packet.retain, retain)
  return packet.payload as Buffer
}

function parse(bytes: Buffer, protocolVersion: 4 | 5): mqtt.IPublishPacket {
  let parsed: mqtt.Packet | undefined
  const parser = mqtt.parser({ protocolVersion })
  parser.on('packet', (packet) => {
    parsed = packet
  })
  parser.parse(bytes)
  assert.equal(parsed?.cmd, 'publish')
  return parsed as mqtt.IPublishPacket
}

const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const bytes = fc.uint8Array({ maxLength: 300 }).map((it) => Buffer.from(it))
const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const properties = fc.record({
  payloadFormatIndicator: some(fc.boolean()),
  messageExpiryInterval: some(fc.integer({ min: 1, max: 0xffffffff })),
  contentType: some(text),
  responseTopic: some(text),
  correlationData: some(bytes),
  userProperties: some(fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 5 })),
})

t.test('properties, RETAIN and payload come out as they went in', async (t) => {
  const identifiers = some(fc.integer({ min: 1, max: 268_435_455 }))
  const message = fc.record({
    retain: fc.boolean(),
    given: properties,
    payload: bytes,
    identifiers,
  })
  const property = fc.property(message, ({ retain, given, payload, identifiers: identifier }) => {
    const before = throughAedes(retain, given as Properties, payload)
    const expiresAt = beginLife(before, now)
    assert.equal(beginLife(before, now + 5000), expiresAt, 'a life begins once')
    const noted = identifier === undefined ? before : withIdentifier(before, identifier)
    const note = readNote(noted)
    const { messageExpiryInterval: seconds } = given as Properties
    assert.deepEqual(
      [note.retain, note.expiresAt, note.identifier],
      [retain, seconds === undefined ? undefined : now + seconds * 1000, identifier],
    )
    assert.ok(note.payload.equals(payload))
    const rest = writeLevel5(note, { now, identifiers: [1, 200_000] })
    const packet = parse(publishOf(rest), 5)
    assert.ok(payload.equals(packet.payload as Buffer))
    const { userProperties, ...others } = given as Properties
    const got = packet.properties ?? {}
    for (const [name, value] of Object.entries(others)) {
      if (value !== undefined) assert.deepEqual(got[name as keyof typeof got], value, name)
    }
    assert.deepEqual(got.subscriptionIdentifier, [1, 200_000])
    assert.equal(Object.keys(got.userProperties ?? {}).length > 0, userProperties !== undefined)
  })
  fc.assert(property)
  t.pass()
})

/** A PUBLISH of level 5 whose end is given. */
function publishOf(rest: Buffer, topic: string = head.topic): Buffer {
  const packet = { cmd: 'publish', topic, qos: 1, messageId: 7, dup: false, retain: false } as const
  return mqtt.generate({ ...packet, payload: rest })
}

t.test('a message without anything costs one byte', async (t) => {
  t.same(throughAedes(false, noProperties, Buffer.from('x')), Buffer.from('\0x'))
  const note = readNote(throughAedes(true, noProperties, Buffer.alloc(0)))
  t.match(note, { retain: true, expiresAt: undefined, payload: Buffer.alloc(0) })
  t.same(writeLevel5(note, { now, identifiers: [] }), Buffer.of(0))
})

t.test('what has waited is counted in whole seconds [MQTT5-3.3.2-6]', async (t) => {
  const noted = throughAedes(false, { messageExpiryInterval: 3 }, Buffer.alloc(0))
  beginLife(noted, now)
  const left = (ms: number) => {
    const rest = writeLevel5(readNote(noted), { now: now + ms, identifiers: [] })
    return parse(publishOf(rest), 5).properties?.messageExpiryInterval
  }
  t.same([0, 1, 999, 1000, 2001, 2999].map(left), [3, 3, 3, 2, 1, 1])
})

t.test('a written message grows older', async (t) => {
  const filler = { contentType: 'x'.repeat(200) }
  for (const given of [{}, filler]) {
    const noted = throughAedes(false, { messageExpiryInterval: 10, ...given }, Buffer.from('x'))
    beginLife(noted, now)
    const packet = publishOf(writeLevel5(readNote(noted), { now, identifiers: [5] }))
    t.equal(age(packet, 4), true)
    t.match(parse(packet, 5), { properties: { messageExpiryInterval: 6, ...given } })
    t.equal(age(packet, 6), false)
    const lasting = throughAedes(false, given, Buffer.of(2, 0, 0, 0, 0, 1))
    const other = publishOf(writeLevel5(readNote(lasting), { now, identifiers: [] }))
    const copy = Buffer.from(other)
    t.equal(age(other, 1000), true)
    t.same(other, copy, 'one that never ends does not')
  }
})

t.test('a topic is written once, and then by its alias', async (t) => {
  const property = fc.property(properties, bytes, fc.constantFrom('t/a', 't/ä/b'), (...given) => {
    const [its, payload, topic] = given
    const noted = throughAedes(false, its as Properties, payload)
    beginLife(noted, now)
    const packet = publishOf(writeLevel5(readNote(noted), { now, identifiers: [] }), topic)
    const plain = parse(packet, 5)
    const aliases = new OutboundAliases(1)
    for (const name of [topic, '']) {
      const got = parse(aliased(packet, aliases, Number.POSITIVE_INFINITY), 5)
      assert.equal(got.topic, name)
      assert.equal(got.messageId, 7)
      assert.deepEqual({ ...got.properties }, { ...plain.properties, topicAlias: 1 })
      assert.deepEqual(got.payload, plain.payload)
    }
    const other = publishOf(Buffer.of(0), 't/other')
    assert.equal(aliased(other, aliases, Number.POSITIVE_INFINITY), other, 'no alias is left')
  })
  fc.assert(property)
  const packet = publishOf(Buffer.of(0))
  t.equal(aliased(packet, new OutboundAliases(1), packet.length), packet, 'not if too large')
  const puback = Buffer.of(0x40, 2, 0, 1)
  t.equal(aliased(puback, new OutboundAliases(1), 100), puback)
})
