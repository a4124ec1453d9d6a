// The bytes of the packets the edge writes and reads itself, MQTT 3.1.1. Everything else is
// parsed and written by mqtt-packet.

import { isUtf8 } from 'node:buffer'
import { FatalPacket } from './fatal-packet.ts'
import type { Frame } from './framer.ts'

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
} as const

/** A PUBLISH as it came. `payload` lies in the frame's buffer: use it before the next frame. */
export interface PublishPacket {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  /** 0 at QoS 0. */
  readonly packetId: number
  /** The client says that it sent it before [MQTT-3.3.1-1]. */
  readonly dup: boolean
  readonly payload: Buffer
}

/** Reads a PUBLISH. Returns what is wrong with it as text when it breaks MQTT 3.1.1. */
export function readPublish(frame: Frame): PublishPacket | string {
  const { header, buffer, start, end } = frame
  const qos = (header >> 1) & 3
  if (qos === 3) return 'QoS 3 [MQTT-3.3.1-4]'
  if (qos === 0 && (header & 8) !== 0) return 'DUP at QoS 0 [MQTT-3.3.1-2]'
  if (end - start < 2) return 'a PUBLISH without a topic'
  const topicEnd = start + 2 + buffer.readUInt16BE(start)
  const payloadStart = qos === 0 ? topicEnd : topicEnd + 2
  if (payloadStart > end) return 'a PUBLISH that ends too early'
  const packetId = qos === 0 ? 0 : buffer.readUInt16BE(topicEnd)
  if (qos > 0 && packetId === 0) return 'packet id 0 [MQTT-2.3.1-1]'
  const topicBytes = buffer.subarray(start + 2, topicEnd)
  if (!isUtf8(topicBytes)) return 'a topic that is not UTF-8 [MQTT-1.5.3-1]'
  const payload = buffer.subarray(payloadStart, end)
  const dup = (header & 8) !== 0
  return { topic: topicBytes.toString(), qos: qos as 0 | 1 | 2, packetId, dup, payload }
}

/** The packet id of an acknowledgement; undefined when it is not one of two bytes. */
export function readPacketId({ buffer, start, end }: Frame): number | undefined {
  return end - start === 2 ? buffer.readUInt16BE(start) : undefined
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP. */
export function writeAcknowledgement(type: number, packetId: number): Buffer {
  const packet = Buffer.allocUnsafe(4)
  // PUBREL has reserved flags 0010 [MQTT-3.6.1-1].
  packet[0] = (type << 4) | (type === packetType.pubrel ? 2 : 0)
  packet[1] = 2
  packet[2] = packetId >> 8
  packet[3] = packetId & 0xff
  return packet
}

/** PINGREQ and DISCONNECT have neither flags nor a body [MQTT-2.2.2-2, MQTT-3.14.1-1]. Throws
 * `FatalPacket`. */
export function demandEmpty({ header, start, end }: Frame): void {
  if ((header & 0x0f) !== 0 || end > start) throw new FatalPacket('a packet that should be empty')
}

export const pingresp = Buffer.from([0xd0, 0])

/** CONNACK with a 3.1.1 return code. */
export function writeConnack(returnCode: number, sessionPresent = false): Buffer {
  return Buffer.from([0x20, 2, sessionPresent ? 1 : 0, returnCode])
}

/** SUBACK; codes are granted QoS or 128. */
export function writeSuback(packetId: number, codes: readonly number[]): Buffer {
  const length = remainingLength(2 + codes.length)
  return Buffer.from([0x90, ...length, packetId >> 8, packetId & 0xff, ...codes])
}

export function writeUnsuback(packetId: number): Buffer {
  return Buffer.from([0xb0, 2, packetId >> 8, packetId & 0xff])
}

/** A PUBLISH of QoS 1 with packet id 0, to be copied and stamped for each receiver, or of QoS 0. */
export function writePublish(topic: string, payload: string, qos: 0 | 1): Buffer {
  const topicLength = Buffer.byteLength(topic)
  const payloadLength = Buffer.byteLength(payload)
  const length = remainingLength(2 + topicLength + (qos === 0 ? 0 : 2) + payloadLength)
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

/** The variable-length field [MQTT-2.2.3]. */
function remainingLength(length: number): number[] {
  const bytes: number[] = []
  for (let rest = length; ; rest >>= 7) {
    if (rest < 0x80) return [...bytes, rest]
    bytes.push((rest & 0x7f) | 0x80)
  }
}
