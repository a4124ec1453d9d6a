// DISCONNECT: the client leaves on purpose, and its will is dropped, unless it says otherwise.

import { reasonCode } from '../protocol/reasons.ts'
import type { Connection } from './connection.ts'
import { readDisconnect } from './edge/client-packets.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'

/** Takes a DISCONNECT [MQTT-3.14.4-1, MQTT-3.14.4-3, MQTT5-3.14.4-3]. Throws `FatalPacket`. */
export function handleDisconnect(connection: Connection, frame: Frame): void {
  const { reason, properties } = readDisconnect(frame, connection.level)
  changeExpiry(connection, properties.sessionExpiryInterval)
  connection.owesWill = reason !== reasonCode.success
  connection.close('the client disconnected')
}

/** A client may say now how long its session lasts, unless it was to end with the connection
 * [MQTT5-3.14.2-2]. */
function changeExpiry(connection: Connection, seconds: number | undefined): void {
  const { session, plain, context } = connection
  const lastsMs = session === undefined ? plain?.lastsMs : session.lastsMs()
  if (seconds === undefined || lastsMs === undefined) return
  if (lastsMs === 0 && seconds > 0) {
    throw new FatalPacket('a session that ends now cannot last', reasonCode.protocolError)
  }
  const newMs = Math.min(seconds, context.limits.sessionExpirySeconds) * 1000
  if (session !== undefined) session.expiryMs = newMs
  else if (plain !== undefined) plain.lastsMs = newMs
}
