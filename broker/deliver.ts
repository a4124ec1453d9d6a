// Writes an entry for a device: its envelope is encoded once, and copied with each receiver's
// packet id.

import { encodeEnvelope } from '../protocol/envelope.ts'
import type { Delivery, Handover } from '../services/delivery/delivery.ts'
import { addressPublish, writePublish } from './edge/packets.ts'

/** The PUBLISH of an entry for one device. */
export function encodeFor(delivery: Delivery, { topic, packetId, dup }: Handover): Buffer {
  const qos = packetId === 0 ? 0 : 1
  // Topics of chat hold no space, so the key is unambiguous.
  const key = `${qos} ${topic}`
  let packet = delivery.packets.get(key)
  if (packet === undefined) {
    packet = writePublish(topic, encodeEnvelope(delivery.conversation, delivery.entry), qos)
    delivery.packets.set(key, packet)
  }
  return qos === 0 ? packet : addressPublish(packet, packetId, dup)
}
