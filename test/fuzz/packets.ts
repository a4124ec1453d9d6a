// Every packet a client may send, at MQTT levels 3, 4 and 5, as mqtt-packet writes them, but with
// the properties as the edge reads them: well formed on the wire, whatever a server may think of
// what they ask for.

import fc from 'fast-check'
import type { Packet } from 'mqtt-packet'
import type { Properties } from '../../broker/edge/properties.ts'
import type { Level } from '../../broker/edge/reader.ts'
import { propertiesFor } from '../broker/edge/support/properties.ts'
import { packetId } from './values.ts'

export const levels: readonly Level[] = [3, 4, 5]

/** A packet for `generate`. */
export type ClientPacket = { readonly cmd: Packet['cmd'] } & Readonly<Record<string, unknown>>

/** Whose packets these are: what they name. */
export interface Vocabulary {
  readonly topic: fc.Arbitrary<string>
  /** Not empty. */
  readonly willTopic: fc.Arbitrary<string>
  readonly filter: fc.Arbitrary<string>
  readonly payload: fc.Arbitrary<Buffer>
  readonly clientId: fc.Arbitrary<string>
}

type Packets = fc.Arbitrary<ClientPacket>

/** Fields that only level 5 has. */
function at5<Fields extends object>(level: Level, fields: fc.Arbitrary<Fields>) {
  return level === 5 ? fields : fc.constant({})
}

/** None in half of the cases: with all of them at once, few packets would be taken. */
function mostlyNone(properties: fc.Arbitrary<Properties>): fc.Arbitrary<Properties> {
  return fc.oneof(fc.constant({}), properties)
}

const qos = fc.constantFrom(0 as const, 1 as const, 2 as const)
const flag = fc.boolean()

/** Any CONNECT of the level, without user name and password. */
export function connectPacket(level: Level, words: Vocabulary): Packets {
  const will = fc.record({ topic: words.willTopic, payload: words.payload, qos }).chain((fields) =>
    fc.record({
      ...constants(fields),
      retain: flag,
      ...(level === 5 ? { properties: propertiesFor('will') } : {}),
    }),
  )
  return fc
    .record({
      clean: flag,
      // MQTT 3.1.1 and 5 let the server choose; the older ones want a client id.
      clientId: words.clientId,
      keepalive: fc.constantFrom(0, 0, 60, 65_535),
      will: fc.oneof(
        { weight: 4, arbitrary: fc.constant(undefined) },
        { weight: 1, arbitrary: will },
      ),
      extra: at5(level, fc.record({ properties: mostlyNone(propertiesFor('connect')) })),
    })
    .map(({ will, extra, clientId, clean, ...rest }) => ({
      cmd: 'connect' as const,
      protocolId: level === 3 ? ('MQIsdp' as const) : ('MQTT' as const),
      protocolVersion: level,
      ...rest,
      clean: clean || clientId === '',
      clientId: clientId === '' && level === 3 ? 'named' : clientId,
      ...(will === undefined ? {} : { will }),
      ...extra,
    }))
}

function constants<Fields extends object>(fields: Fields) {
  const entries = Object.entries(fields).map(([name, value]) => [name, fc.constant(value)])
  return Object.fromEntries(entries) as { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> }
}

function publish(level: Level, words: Vocabulary): Packets {
  return fc
    .record({
      topic: words.topic,
      payload: words.payload,
      qos,
      messageId: packetId,
      retain: fc.nat(9).map((it) => it === 0),
      dup: fc.nat(9).map((it) => it === 0),
      extra: at5(level, fc.record({ properties: mostlyNone(propertiesFor('publish')) })),
    })
    .map(({ extra, dup, ...packet }) => ({
      cmd: 'publish' as const,
      ...packet,
      ...extra,
      topic: topicOf(packet.topic, extra),
      dup: dup && packet.qos > 0,
    }))
}

/** A topic may be left out only where an alias stands for it [MQTT-3.3.2-8]. */
function topicOf(topic: string, extra: { properties?: Properties }): string {
  return topic === '' && extra.properties?.topicAlias === undefined ? 't/x' : topic
}

const reasonCodes = {
  puback: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  pubrec: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  pubrel: [0x00, 0x92],
  pubcomp: [0x00, 0x92],
  disconnect: [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99],
  auth: [0x18, 0x19],
} as const

function fill<Item>(count: number, item: Item): Item[] {
  return new Array<Item>(count).fill(item)
}

function answer(level: Level): Packets {
  // A server may end a connection that answers what was never sent; PUBREL is always in order.
  const kinds = [...(['puback', 'pubrec', 'pubcomp'] as const), ...fill(60, 'pubrel' as const)]
  return fc.constantFrom(...kinds).chain((cmd) =>
    fc
      .record({
        messageId: packetId,
        extra: at5(
          level,
          fc.record({
            reasonCode: fc.constantFrom(...reasonCodes[cmd]),
            properties: mostlyNone(propertiesFor('acknowledgement')),
          }),
        ),
      })
      .map(({ messageId, extra }) => ({ cmd, messageId, ...extra })),
  )
}

function subscribe(level: Level, words: Vocabulary): Packets {
  const options = fc.record({ nl: flag, rap: flag, rh: fc.nat(2) })
  const subscription = fc
    .record({ topic: words.filter, qos, extra: at5(level, options) })
    .map(({ extra, topic, qos }) => {
      // No local is not for shared subscriptions [MQTT-3.8.3-4].
      const nl = 'nl' in extra && extra.nl === true && !topic.startsWith('$share/')
      return { topic, qos, ...extra, ...('nl' in extra ? { nl } : {}) }
    })
  return fc
    .record({
      messageId: packetId,
      subscriptions: fc.array(subscription, { minLength: 1, maxLength: 5 }),
      extra: at5(level, fc.record({ properties: mostlyNone(propertiesFor('subscribe')) })),
    })
    .map(({ extra, ...packet }) => ({ cmd: 'subscribe' as const, ...packet, ...extra }))
}

function unsubscribe(level: Level, words: Vocabulary): Packets {
  return fc
    .record({
      messageId: packetId,
      unsubscriptions: fc.array(words.filter, { minLength: 1, maxLength: 5 }),
      extra: at5(level, fc.record({ properties: mostlyNone(propertiesFor('unsubscribe')) })),
    })
    .map(({ extra, ...packet }) => ({ cmd: 'unsubscribe' as const, ...packet, ...extra }))
}

/** A DISCONNECT of the level. */
export function disconnectPacket(level: Level): Packets {
  const fields = fc.record({
    reasonCode: fc.constantFrom(...reasonCodes.disconnect),
    properties: mostlyNone(propertiesFor('disconnect')),
  })
  return at5(level, fields).map((extra) => ({ cmd: 'disconnect' as const, ...extra }))
}

/** AUTH; there is none below level 5. */
const auth: Packets = fc
  .record({ reasonCode: fc.constantFrom(...reasonCodes.auth), properties: propertiesFor('auth') })
  .map((fields) => ({ cmd: 'auth' as const, ...fields }))

/** Any packet that a connected client of the level may send, except DISCONNECT. */
export function innerPacket(level: Level, words: Vocabulary): Packets {
  return fc.oneof(
    { weight: 12, arbitrary: publish(level, words) },
    { weight: 5, arbitrary: answer(level) },
    { weight: 3, arbitrary: subscribe(level, words) },
    { weight: 1, arbitrary: unsubscribe(level, words) },
    { weight: 1, arbitrary: fc.constant({ cmd: 'pingreq' as const }) },
    ...(level === 5 ? [{ weight: 1, arbitrary: auth }] : []),
  )
}
