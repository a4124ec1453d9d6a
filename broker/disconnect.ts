// DISCONNECT: the client leaves on purpose, and its will is dropped.

import type { Connection } from './connection.ts'
import { readDisconnect } from './edge/client-packets.ts'
import type { Frame } from './edge/framer.ts'

/** Takes a DISCONNECT [MQTT-3.14.4-1, MQTT-3.14.4-3]. */
export function handleDisconnect(connection: Connection, frame: Frame): void {
  readDisconnect(frame, connection.level)
  connection.hasDisconnected = true
  connection.close('the client disconnected')
}
