// Writes entries and notices for clients of level 5: with properties, so that a client need not
// parse JSON, and under topic aliases. Encoded once for all receivers of the same aliases and
// subscription identifiers; a copy is stamped with each one's packet id.

import { encodeEnvelope } from '../protocol/envelope.ts'
import { serverMessageId } from '../protocol/ids.ts'
import type { Delivery } from '../services/delivery/delivery.ts'
import type { Session } from '../services/delivery/session.ts'
import { writePublishWith } from './edge/packets.ts'
import type { Properties } from './edge/properties.ts'
import type { Flow } from './flow.ts'
import { propertiesOf } from './message-properties.ts'

/** Who is written to. */
interface Receiver {
  readonly session: Session
  readonly flow: Flow
}

/** What every message of chat is: JSON, in UTF-8. */
const json: Properties = { payloadFormatIndicator: true, contentType: 'application/json' }

/** The PUBLISH of an entry, without its packet id; it is sent. */
export function encodeForLevel5(delivery: Delivery, receiver: Receiver, qos: 0 | 1): Buffer {
  const { session, flow } = receiver
  const packet = templateOf(delivery, receiver, qos)
  const topic = delivery.topicFor(session.user)
  flow.outbound.used(topic, flow.outbound.find(topic))
  return packet
}

/** Bytes of the same. */
export function sizeForLevel5(delivery: Delivery, receiver: Receiver, qos: 0 | 1): number {
  return templateOf(delivery, receiver, qos).length
}

function templateOf(delivery: Delivery, { session, flow }: Receiver, qos: 0 | 1): Buffer {
  const { user, subscriptions } = session
  const topic = delivery.topicFor(user)
  const alias = flow.outbound.find(topic)
  const identifiers = subscriptions.identifiersOf(topic)
  delivery.variants ??= new Map()
  const key = `${delivery.addressee(user)} ${qos} ${alias} ${identifiers}`
  const known = delivery.variants.get(key)
  if (known !== undefined) return known
  const payload = encodeEnvelope(delivery.conversation, delivery.entry)
  const properties = { ...entryProperties(delivery), ...addressing(alias, identifiers) }
  const packet = writePublishWith(properties, { topic: alias > 0 ? '' : topic, payload, qos })
  delivery.variants.set(key, packet)
  return packet
}

function entryProperties({ entry }: Delivery): Properties {
  const { conversation, seq, from, at, body } = entry
  const { userProperties = [], ...others } = propertiesOf(body)
  return {
    ...json,
    ...others,
    userProperties: [
      ['conversation', conversation],
      ['seq', String(seq)],
      ['from', from],
      ['id', body.messageId ?? serverMessageId(seq)],
      ['at', String(at)],
      ['kind', body.kind],
      ...userProperties,
    ],
  }
}

/** The PUBLISH of a notice, at QoS 0; it is sent. Undefined if it is larger than `bytesMax`. */
export function encodeNotice(
  { session, flow }: Receiver,
  { topic, payload }: { readonly topic: string; readonly payload: string },
  bytesMax: number,
): Buffer | undefined {
  const alias = flow.outbound.find(topic)
  const identifiers = session.subscriptions.identifiersOf(topic)
  const properties = { ...json, ...addressing(alias, identifiers) }
  const packet = writePublishWith(properties, { topic: alias > 0 ? '' : topic, payload, qos: 0 })
  if (packet.length > bytesMax) return undefined
  flow.outbound.used(topic, alias)
  return packet
}

function addressing(alias: number, subscriptionIdentifier: readonly number[]): Properties {
  return alias === 0
    ? { subscriptionIdentifier }
    : { subscriptionIdentifier, topicAlias: Math.abs(alias) }
}
