// What stands before the payload of each message that aedes carries: the note. aedes speaks MQTT
// 3.1.1 and takes it for a part of the payload, so that retained messages, queues and wills keep
// what MQTT 5 says of a message. A client of level 5 gets its properties, the others the bare
// payload. Messages of aedes itself, to `$SYS/…`, have no note.

import type { Will } from '../edge/client-packets.ts'
import type { PublishPacket } from '../edge/packets.ts'
import { packetType } from '../edge/packets.ts'
import type { Properties } from '../edge/properties.ts'
import { noProperties } from '../edge/properties.ts'
import { writeProperties } from '../edge/property-writer.ts'
import { PacketReader } from '../edge/reader.ts'
import { variableInteger } from '../edge/variable-integer.ts'

/** A note is a byte of these flags, and then what they announce, in this order: when the message is
 * over (6 bytes: ms since the epoch, or while it is `unbegun`, s from its publication), the
 * identifier of the subscription that asked for it (4 bytes), the properties that are passed on (as
 * in a PUBLISH). */
const flag = { retain: 1, unbegun: 2, expiry: 4, identifier: 8, properties: 16 } as const

export interface Note {
  /** RETAIN as it was published. */
  readonly retain: boolean
  /** When the message is over, ms since the epoch. */
  readonly expiresAt: number | undefined
  /** Of the subscription that asked for a retained message. */
  readonly identifier: number | undefined
  /** What is passed on, as MQTT 5 writes it, without the length; and the payload. */
  readonly properties: Buffer
  readonly payload: Buffer
}

const empty = Buffer.alloc(0)

/** The PUBLISH of a client as aedes gets it. */
export function writeNoted(
  packet: Pick<
    PublishPacket,
    'topic' | 'qos' | 'packetId' | 'dup' | 'retain' | 'payload' | 'properties'
  >,
): Buffer {
  const { topic, qos, packetId, dup, retain, payload, properties } = packet
  const note = writeNote(retain, properties)
  const topicLength = Buffer.byteLength(topic)
  const idLength = qos === 0 ? 0 : 2
  const length = variableInteger(2 + topicLength + idLength + note.length + payload.length)
  const topicStart = 3 + length.length
  const noteStart = topicStart + topicLength + idLength
  const bytes = Buffer.allocUnsafe(noteStart + note.length + payload.length)
  bytes[0] = (packetType.publish << 4) | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0)
  bytes.set(length, 1)
  bytes.writeUInt16BE(topicLength, topicStart - 2)
  bytes.write(topic, topicStart)
  if (qos > 0) bytes.writeUInt16BE(packetId, noteStart - 2)
  bytes.set(note, noteStart)
  bytes.set(payload, noteStart + note.length)
  return bytes
}

/** A will as aedes gets it. */
export function noteWill({ topic, payload, qos, retain, properties }: Will) {
  return { topic, qos, retain, payload: Buffer.concat([writeNote(retain, properties), payload]) }
}

const plainNotes = [Buffer.of(0), Buffer.of(flag.retain)] as const

function writeNote(retain: boolean, properties: Properties): Buffer {
  if (properties === noProperties) return plainNotes[retain ? 1 : 0]
  const { messageExpiryInterval } = properties
  const passed = writeProperties(passedOn(properties))
  const hasPassed = passed.length > 1
  const head = Buffer.alloc(messageExpiryInterval === undefined ? 1 : 7)
  head[0] = (retain ? flag.retain : 0) | (hasPassed ? flag.properties : 0)
  if (messageExpiryInterval !== undefined) {
    head[0] |= flag.unbegun | flag.expiry
    head.writeUIntBE(messageExpiryInterval, 1, 6)
  }
  return hasPassed ? Buffer.concat([head, passed]) : head
}

/** What a server passes on unchanged [MQTT5-3.3.2-4, MQTT5-3.3.2-15, MQTT5-3.3.2-16,
 * MQTT5-3.3.2-17, MQTT5-3.3.2-20]; `writeProperties` leaves out what is undefined. */
function passedOn(properties: Properties): Properties {
  const names = [
    'payloadFormatIndicator',
    'contentType',
    'responseTopic',
    'correlationData',
    'userProperties',
  ] as const
  return Object.fromEntries(names.map((name) => [name, properties[name]]))
}

/** Begins the life of a message that is published at `now`, in place. Returns when it is over;
 * undefined if never. */
export function beginLife(noted: Buffer, now: number): number | undefined {
  const flags = noted[0] ?? 0
  if ((flags & flag.expiry) === 0) return undefined
  if ((flags & flag.unbegun) === 0) return noted.readUIntBE(1, 6)
  const expiresAt = now + noted.readUIntBE(1, 6) * 1000
  noted.writeUIntBE(expiresAt, 1, 6)
  noted[0] = flags & ~flag.unbegun
  return expiresAt
}

/** The same message with the identifier of the subscription that asked for it. */
export function withIdentifier(noted: Buffer, identifier: number): Buffer {
  const flags = noted[0] ?? 0
  const at = (flags & flag.expiry) === 0 ? 1 : 7
  const added = Buffer.alloc(4)
  added.writeUInt32BE(identifier)
  const head = Buffer.from(noted.subarray(0, at))
  head[0] = flags | flag.identifier
  return Buffer.concat([head, added, noted.subarray(at)])
}

/** Reads a payload as aedes has it. */
export function readNote(noted: Buffer): Note {
  const flags = noted[0] ?? 0
  const retain = (flags & flag.retain) !== 0
  // Most messages have nothing to note.
  if (flags <= flag.retain) return bareNote(retain, noted.subarray(1))
  const reader = new PacketReader({ buffer: noted, start: 1, end: noted.length })
  const expiresAt =
    (flags & flag.expiry) === 0
      ? undefined
      : reader.uint16('an expiry') * 2 ** 32 + reader.uint32('an expiry')
  const identifier =
    (flags & flag.identifier) === 0 ? undefined : reader.uint32('a subscription identifier')
  const properties =
    (flags & flag.properties) === 0
      ? empty
      : reader.part(reader.variable('properties'), 'properties').rest()
  return { retain, expiresAt, identifier, properties, payload: reader.rest() }
}

function bareNote(retain: boolean, payload: Buffer): Note {
  return { retain, expiresAt: undefined, identifier: undefined, properties: empty, payload }
}

/** The rest of a PUBLISH for a client of level 5: properties and payload. The time that is left is
 * written first, so that `aged` finds it. */
export function writeLevel5(
  { expiresAt, properties, payload }: Pick<Note, 'expiresAt' | 'properties' | 'payload'>,
  { now, identifiers }: { readonly now: number; readonly identifiers: readonly number[] },
): Buffer {
  const own: number[] = []
  if (expiresAt !== undefined) {
    // What has been waited is counted in whole seconds [MQTT5-3.3.2-6].
    const left = Math.max(0, Math.ceil((expiresAt - now) / 1000))
    own.push(2, left >>> 24, (left >>> 16) & 0xff, (left >>> 8) & 0xff, left & 0xff)
  }
  for (const identifier of identifiers) own.push(11, ...variableInteger(identifier))
  const length = variableInteger(own.length + properties.length)
  return Buffer.concat([Buffer.from([...length, ...own]), properties, payload])
}

/** Takes the seconds that a PUBLISH of level 5 has waited off the time that is left of it, in
 * place. False if nothing is left. */
export function age(packet: Buffer, seconds: number): boolean {
  let at = 1
  while ((packet[at] as number) >= 0x80) at++
  const hasId = ((packet[0] as number) & 6) !== 0
  at += 3 + packet.readUInt16BE(at + 1) + (hasId ? 2 : 0)
  const isEmpty = packet[at] === 0
  while ((packet[at] as number) >= 0x80) at++
  if (isEmpty || packet[at + 1] !== 2) return true
  const left = packet.readUInt32BE(at + 2) - seconds
  if (left > 0) packet.writeUInt32BE(left, at + 2)
  return left > 0
}
