// Random properties of MQTT 5 packets, and packets with them as mqtt-packet writes them.

import fc from 'fast-check'
import mqtt from 'mqtt-packet'
import type { Properties, PropertyPlace } from '../../../../broker/edge/properties.ts'
import type { Level } from '../../../../broker/edge/reader.ts'

const text = fc
  .string({ unit: 'grapheme', maxLength: 12 })
  .map((it) => Buffer.from(it.replaceAll(/[+#\0]/g, '')).toString())
const bytes = fc.uint8Array({ maxLength: 12 }).map((it) => Buffer.from(it))
const uint32 = fc.nat(0xff_ff_ff_ff)
const positive16 = fc.integer({ min: 1, max: 65_535 })

// mqtt-packet takes user properties as an object, which cannot say all orders: names differ here.
const userProperties = fc.uniqueArray(fc.tuple(text, text), {
  minLength: 1,
  maxLength: 4,
  selector: ([name]) => name,
})
const named = {
  userProperties: userProperties.filter((it) => !it.some(([name]) => /^\d|^__/.test(name))),
}
const message = {
  payloadFormatIndicator: fc.boolean(),
  messageExpiryInterval: uint32,
  contentType: text,
  responseTopic: text,
  correlationData: bytes,
  ...named,
}
const explanation = { reasonString: text, ...named }

const places: Record<PropertyPlace, Record<string, fc.Arbitrary<unknown>>> = {
  connect: {
    sessionExpiryInterval: uint32,
    receiveMaximum: positive16,
    maximumPacketSize: fc.integer({ min: 1, max: 0xff_ff_ff_ff }),
    topicAliasMaximum: fc.nat(65_535),
    requestResponseInformation: fc.boolean(),
    requestProblemInformation: fc.boolean(),
    authenticationMethod: text,
    ...named,
  },
  will: { willDelayInterval: uint32, ...message },
  publish: { topicAlias: positive16, ...message },
  acknowledgement: explanation,
  subscribe: { subscriptionIdentifier: fc.integer({ min: 1, max: 268_435_455 }), ...named },
  unsubscribe: named,
  disconnect: { sessionExpiryInterval: uint32, ...explanation },
  auth: { authenticationMethod: text.map((it) => `m${it}`), ...explanation },
}

/** Any properties that a client may send there. */
export function propertiesFor(place: PropertyPlace): fc.Arbitrary<Properties> {
  return fc.record(places[place], { requiredKeys: [], noNullPrototype: true })
}

/** The bytes of a packet; properties are given as the edge knows them. */
export function generate(packet: Record<string, unknown>, level: Level): Buffer {
  return mqtt.generate(toPacket(packet) as unknown as mqtt.Packet, { protocolVersion: level })
}

function toPacket(packet: Record<string, unknown>): Record<string, unknown> {
  const { properties, will, ...rest } = packet
  return {
    ...rest,
    ...(properties === undefined ? {} : { properties: toObject(properties as Properties) }),
    ...(will === undefined ? {} : { will: toPacket(will as Record<string, unknown>) }),
  }
}

function toObject({ userProperties, ...rest }: Properties): object {
  if (userProperties === undefined) return rest
  return { ...rest, userProperties: Object.fromEntries(userProperties) }
}
