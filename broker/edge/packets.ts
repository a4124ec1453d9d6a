// The bytes of the packets that are many, and of the answers to all: read and written in place.

import type { ReasonCode } from '../../protocol/reasons.ts'
import { reasonCode } from '../../protocol/reasons.ts'
import { checkResponseTopic } from './client-packets.ts'
import { checkReason } from './client-reasons.ts'
import { FatalPacket } from './fatal-packet.ts'
import type { Frame } from './framer.ts'
import type { Properties } from './properties.ts'
import { noProperties, readProperties } from './properties.ts'
import { measureProperties, putProperties, writeProperties } from './property-writer.ts'
import type { Level } from './reader.ts'
import { PacketReader, readText } from './reader.ts'
import { variableInteger } from './variable-integer.ts'
import { PacketWriter, variableBytes } from './writer.ts'

/** Control packet types [MQTT-2.2.1]. */
export const packetType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  disconnect: 14,
  auth: 15,
} as const

/** A PUBLISH as it came. `payload` lies in the frame's buffer: use it before the next frame. */
export interface PublishPacket {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  /** 0 at QoS 0. */
  readonly packetId: number
  /** The client says that it sent it before [MQTT-3.3.1-1]. */
  readonly dup: boolean
  readonly retain: boolean
  readonly payload: Buffer
  /** None below level 5. */
  readonly properties: Properties
}

/** Reads a PUBLISH. Whether its topic is one to publish to is for others to say: at level 5 it may
 * be empty. Throws `FatalPacket`. */
export function readPublish(frame: Frame, level: Level): PublishPacket {
  const { header, buffer, start, end } = frame
  const qos = (header >> 1) & 3
  if (qos === 3) throw new FatalPacket('QoS 3 [MQTT-3.3.1-4]')
  const dup = (header & 8) !== 0
  if (qos === 0 && dup) throw new FatalPacket('DUP at QoS 0 [MQTT-3.3.1-2]')
  if (end - start < 2) throw new FatalPacket('a PUBLISH without a topic')
  const topicEnd = start + 2 + buffer.readUInt16BE(start)
  const idEnd = qos === 0 ? topicEnd : topicEnd + 2
  if (idEnd > end) throw new FatalPacket('a PUBLISH that ends too early')
  const packetId = qos === 0 ? 0 : buffer.readUInt16BE(topicEnd)
  if (qos > 0 && packetId === 0) throw new FatalPacket('packet id 0 [MQTT-2.3.1-1]')
  const topic = readText(buffer.subarray(start + 2, topicEnd), 'a topic')
  const retain = (header & 1) !== 0
  let payload = buffer.subarray(idEnd, end)
  let properties: Properties = noProperties
  if (level === 5) {
    const reader = new PacketReader({ buffer, start: idEnd, end })
    properties = readProperties(reader, 'publish')
    checkResponseTopic(properties)
    payload = reader.rest()
  }
  // All members in one literal: with one spread into another V8 gives up on its shape, which cost
  // some 10 % of the main thread.
  return { topic, qos: qos as 0 | 1 | 2, packetId, dup, retain, payload, properties }
}

/** Flags of PUBACK, PUBREC and PUBCOMP, and of PUBREL [MQTT-3.6.1-1]. */
const answerFlags = (type: number) => (type === packetType.pubrel ? 2 : 0)

/** The packet id of a PUBACK, PUBREC, PUBREL or PUBCOMP. Throws `FatalPacket`. */
export function readPacketId(frame: Frame, level: Level): number {
  const { header, buffer, start, end } = frame
  if ((header & 0x0f) !== answerFlags(header >> 4)) {
    throw new FatalPacket('reserved flags of an acknowledgement [MQTT-2.2.2-2, MQTT-3.6.1-1]')
  }
  const length = end - start
  if (length < 2 || (length > 2 && level !== 5)) {
    throw new FatalPacket(`an acknowledgement of ${length} bytes`)
  }
  const packetId = buffer.readUInt16BE(start)
  if (packetId === 0) throw new FatalPacket('packet id 0 [MQTT-2.3.1-1]')
  if (length > 2) checkReason(header >> 4, buffer[start + 2] as number)
  if (length > 3) checkEnd({ buffer, start: start + 3, end })
  return packetId
}

/** The properties of an acknowledgement say nothing to a server, but have to be some. */
function checkEnd(bytes: Pick<Frame, 'buffer' | 'start' | 'end'>): void {
  const reader = new PacketReader(bytes)
  readProperties(reader, 'acknowledgement')
  reader.demandEnd()
}

/** The reason code of an acknowledgement whose packet id was read. */
export function readReasonCode({ buffer, start, end }: Frame): number {
  return end - start > 2 ? (buffer[start + 2] as number) : reasonCode.success
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP. */
export function writeAcknowledgement(type: number, packetId: number): Buffer {
  const packet = Buffer.allocUnsafe(4)
  packet[0] = (type << 4) | answerFlags(type)
  packet[1] = 2
  packet[2] = packetId >> 8
  packet[3] = packetId & 0xff
  return packet
}

interface ReasonWith {
  readonly reason: ReasonCode
  readonly properties?: Properties
}

/** The same at level 5 with a reason, and what else there is to say [MQTT5 3.4.2]. */
export function writeReason(
  type: number,
  packetId: number,
  { reason, properties = noProperties }: ReasonWith,
): Buffer {
  // Without any their length is left out.
  const block = properties === noProperties ? Buffer.of() : writeProperties(properties)
  const length = variableInteger(3 + block.length)
  const head = [(type << 4) | answerFlags(type), ...length, packetId >> 8, packetId & 0xff, reason]
  return Buffer.concat([Buffer.from(head), block])
}

export const pingresp = Buffer.from([0xd0, 0])

/** CONNACK. `code` is a return code below level 5, and a reason code at it. */
export function writeConnack(
  level: Level,
  answer: { readonly code: number; readonly present: boolean; readonly properties: Properties },
): Buffer {
  const { code, present, properties } = answer
  const head = [present ? 1 : 0, code]
  const tail = level === 5 ? writeProperties(properties) : []
  return Buffer.from([0x20, ...variableInteger(head.length + tail.length), ...head, ...tail])
}

/** DISCONNECT of the server, which only clients of level 5 understand. */
export function writeDisconnect(reason: ReasonCode, properties: Properties): Buffer {
  const tail = writeProperties(properties)
  const header = packetType.disconnect << 4
  return Buffer.from([header, ...variableInteger(1 + tail.length), reason, ...tail])
}

/** SUBACK; codes are granted QoS or reasons, all of which are 128 below level 5 [MQTT-3.9.3-2]. */
export function writeSuback(packetId: number, codes: readonly number[], level: Level): Buffer {
  if (level === 5) return writeCodes(0x90, packetId, [0, ...codes])
  return writeCodes(
    0x90,
    packetId,
    codes.map((code) => Math.min(code, reasonCode.unspecifiedError)),
  )
}

/** UNSUBACK; below level 5 it has no codes. */
export function writeUnsuback(packetId: number, codes: readonly number[], level: Level): Buffer {
  return writeCodes(0xb0, packetId, level === 5 ? [0, ...codes] : [])
}

function writeCodes(header: number, packetId: number, rest: readonly number[]): Buffer {
  const length = variableInteger(2 + rest.length)
  return Buffer.from([header, ...length, packetId >> 8, packetId & 0xff, ...rest])
}

/** A PUBLISH of QoS 1 with packet id 0, to be copied and stamped for each receiver, or of QoS 0. */
export function writePublish(topic: string, payload: string, qos: 0 | 1): Buffer {
  const topicLength = Buffer.byteLength(topic)
  const payloadLength = Buffer.byteLength(payload)
  const length = variableInteger(2 + topicLength + (qos === 0 ? 0 : 2) + payloadLength)
  const variableStart = 1 + length.length
  const payloadStart = variableStart + 2 + topicLength + (qos === 0 ? 0 : 2)
  const packet = Buffer.allocUnsafe(payloadStart + payloadLength)
  packet[0] = 0x30 | (qos << 1)
  packet.set(length, 1)
  packet.writeUInt16BE(topicLength, variableStart)
  packet.write(topic, variableStart + 2)
  if (qos > 0) packet.writeUInt16BE(0, payloadStart - 2)
  packet.write(payload, payloadStart)
  return packet
}

/** The same at level 5. */
export function writePublishWith(
  properties: Properties,
  message: { readonly topic: string; readonly payload: string; readonly qos: 0 | 1 },
): Buffer {
  const { topic, payload, qos } = message
  const block = measureProperties(properties)
  const variableHeader = 2 + Buffer.byteLength(topic) + (qos === 0 ? 0 : 2)
  const length = variableHeader + variableBytes(block) + block + Buffer.byteLength(payload)
  const writer = new PacketWriter(1 + variableBytes(length) + length)
  writer.byte(0x30 | (qos << 1))
  writer.variable(length)
  writer.text(topic)
  if (qos > 0) writer.uint16(0)
  putProperties(writer, properties, block)
  writer.rest(payload)
  return writer.buffer
}

/** Puts a packet id into the QoS 1 PUBLISH that begins at `at`; a negative one sets DUP too. */
export function stampPublish(bytes: Buffer, at: number, packetId: number): void {
  if (packetId < 0) bytes[at] = (bytes[at] as number) | 8
  let topicAt = at + 1
  while ((bytes[topicAt] as number) >= 0x80) topicAt++
  topicAt++
  const topicLength = ((bytes[topicAt] as number) << 8) | (bytes[topicAt + 1] as number)
  const idAt = topicAt + 2 + topicLength
  const id = Math.abs(packetId)
  bytes[idAt] = id >> 8
  bytes[idAt + 1] = id & 0xff
}
