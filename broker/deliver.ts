// Writes an entry for a device: its envelope is encoded once, and copied with each receiver's
// packet id.

import { encodeEnvelope } from '../protocol/envelope.ts'
import type { Delivery } from '../services/delivery/delivery.ts'
import { writePublish } from './edge/packets.ts'

/** The PUBLISH of an entry for the devices of a user, without their packet ids. */
export function encodeFor(delivery: Delivery, user: string, qos: 0 | 1): Buffer {
  const slot = delivery.addressee(user) * 2 + qos
  const known = delivery.packets[slot]
  if (known !== undefined) return known
  const envelope = encodeEnvelope(delivery.conversation, delivery.entry)
  const packet = writePublish(delivery.topicFor(user), envelope, qos)
  delivery.packets[slot] = packet
  return packet
}
