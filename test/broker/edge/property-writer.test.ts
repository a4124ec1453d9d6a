// What is written of properties is what mqtt-packet, and the edge itself, read.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { readPublish, stampPublish, writePublishWith } from '../../../broker/edge/packets.ts'
import type { Properties } from '../../../broker/edge/properties.ts'
import { writeProperties } from '../../../broker/edge/property-writer.ts'
import { holds } from '../../protocol/support/property.ts'
import { frameOf, parseAll } from './support/packets.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 40 }).map((it) => it.replaceAll('\0', ''))

/** Those of a PUBLISH that both directions have. */
const properties = fc.record(
  {
    payloadFormatIndicator: fc.boolean(),
    messageExpiryInterval: fc.nat(0xff_ff_ff_ff),
    contentType: text,
    responseTopic: text.map((it) => it.replaceAll(/[+#]/g, '')),
    correlationData: fc.uint8Array({ maxLength: 300 }).map((it) => Buffer.from(it)),
    topicAlias: fc.integer({ min: 1, max: 65_535 }),
    userProperties: fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 20 }),
  },
  { requiredKeys: [] },
)

t.test('a PUBLISH with properties is read as it was written', async (t) => {
  const qos = fc.constantFrom(0 as const, 1 as const)
  const property = fc.property(properties, text, text, qos, (given, topic, payload, qos) => {
    const packet = writePublishWith(given, { topic, payload, qos })
    if (qos === 1) stampPublish(packet, 0, 7)
    const read = readPublish(frameOf(packet), 5)
    assert.deepEqual({ ...read.properties }, { ...given })
    assert.deepEqual([read.topic, read.payload.toString(), read.qos], [topic, payload, qos])
  })
  holds(t, property, 300)
})

t.test('mqtt-packet reads every kind of property that a server sends', async (t) => {
  const connack: Properties = {
    sessionExpiryInterval: 0xff_ff_ff_ff,
    receiveMaximum: 7,
    maximumQoS: 1,
    retainAvailable: true,
    maximumPacketSize: 70_000,
    assignedClientIdentifier: 'ü',
    topicAliasMaximum: 16,
    reasonString: 'why',
    userProperties: [
      ['a', '1'],
      ['a', '2'],
    ],
    sharedSubscriptionAvailable: false,
    serverKeepAlive: 60,
  }
  const block = writeProperties(connack)
  const packets = parseAll(Buffer.concat([Buffer.of(0x20, 2 + block.length, 0, 0), block]), 5)
  const { userProperties, ...others } = connack
  t.match(packets, [
    { cmd: 'connack', properties: { ...others, userProperties: { a: ['1', '2'] } } },
  ])
})

t.test('subscription identifiers of every length, and none', async (t) => {
  const subscriptionIdentifier = [1, 127, 128, 16_383, 16_384, 2_097_152, 268_435_455]
  const message = { topic: 't', payload: 'p', qos: 0 as const }
  const packet = writePublishWith({ subscriptionIdentifier }, message)
  t.match(parseAll(packet, 5), [{ properties: { subscriptionIdentifier }, topic: 't' }])
  const none = writePublishWith({ subscriptionIdentifier: [] }, message)
  t.same([...none], [0x30, 5, 0, 1, 116, 0, 112])
})
