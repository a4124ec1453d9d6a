// `u/<me>/sync`: a client that keeps its own positions says how far it is, and gets what it missed.

import type { Static } from 'typebox'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { reasonCode } from '../protocol/reasons.ts'
import { acknowledge, refuse } from './answer.ts'
import type { Connection } from './connection.ts'
import type { PublishPacket } from './edge/packets.ts'

/** By conversation: the newest entry the device has; 0 for none. */
const syncPayload = Type.Record(
  Type.String(),
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
)
const check = Compile(syncPayload)

/** Takes the positions of a device. It is answered when they would survive a crash; what follows it
 * waits. */
export function handleSync(connection: Connection, packet: PublishPacket, user: string): void {
  const { session, context } = connection
  if (session === undefined) return
  if (user !== session.user) return refuse(connection, packet, { code: 'unknown-topic' })
  const positions = readPositions(packet.payload)
  if (positions === undefined) {
    const detail = 'a JSON object of positions by conversation is expected'
    return refuse(connection, packet, { code: 'invalid-payload', detail })
  }
  const { qos, packetId } = packet
  connection.whenNothingInFlight(() => {
    connection.hold('answer')
    context.engine
      .sync(session, positions)
      .then(() => acknowledge(connection, { qos, packetId }))
      .catch((err: unknown) => {
        context.logger.debug({ err }, 'positions could not be stored')
        connection.close('positions could not be stored', reasonCode.serverBusy)
      })
      .finally(() => connection.release('answer'))
  })
}

function readPositions(payload: Buffer): ReadonlyMap<string, number> | undefined {
  let value: unknown
  try {
    value = JSON.parse(payload.toString())
  } catch {
    return undefined
  }
  return check.Check(value)
    ? new Map(Object.entries(value as Static<typeof syncPayload>))
    : undefined
}
