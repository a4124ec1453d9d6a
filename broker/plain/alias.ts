// Topic aliases of what aedes sends to a client of level 5.

import type { OutboundAliases } from '../edge/topic-aliases.ts'
import { variableInteger } from '../edge/variable-integer.ts'

const topicAliasId = 35

/** A packet of aedes as it is written: a PUBLISH of level 5 under the alias of its topic, if it
 * gets one and the packet is not larger than `bytesMax` with it. */
export function aliased(packet: Buffer, aliases: OutboundAliases, bytesMax: number): Buffer {
  const header = packet[0] as number
  if (header >> 4 !== 3) return packet
  const lengthEnd = endOfVariable(packet, 1)
  const topicEnd = lengthEnd + 2 + packet.readUInt16BE(lengthEnd)
  const topic = packet.toString('utf8', lengthEnd + 2, topicEnd)
  const alias = aliases.find(topic)
  if (alias === 0) return packet
  const idEnd = topicEnd + ((header & 6) === 0 ? 0 : 2)
  const blockStart = endOfVariable(packet, idEnd)
  const block = variableInteger(readVariable(packet, idEnd) + 3)
  const name = alias > 0 ? Buffer.of(0, 0) : packet.subarray(lengthEnd, topicEnd)
  const number = Math.abs(alias)
  const middle = [...block, topicAliasId, number >> 8, number & 0xff]
  const id = packet.subarray(topicEnd, idEnd)
  const rest = packet.subarray(blockStart)
  const length = variableInteger(name.length + id.length + middle.length + rest.length)
  const head = Buffer.from([header, ...length])
  const bytes = Buffer.concat([head, name, id, Buffer.from(middle), rest])
  if (bytes.length > bytesMax) return packet
  aliases.used(topic, alias)
  return bytes
}

function endOfVariable(bytes: Buffer, start: number): number {
  let at = start
  while ((bytes[at] as number) >= 0x80) at++
  return at + 1
}

function readVariable(bytes: Buffer, start: number): number {
  let value = 0
  for (let at = start, shift = 0; ; at++, shift += 7) {
    const byte = bytes[at] as number
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return value
  }
}
