// PUBACK of a device: moves its cursor.

import type { Connection } from './connection.ts'
import type { Frame } from './edge/framer.ts'
import { readPacketId } from './edge/packets.ts'

/** Takes a PUBACK. One that answers nothing is ignored: it may be late. */
export function handlePuback(connection: Connection, frame: Frame): void {
  const packetId = readPacketId(frame, connection.level)
  if (connection.session?.acknowledge(packetId)) connection.records?.heard(packetId)
}
