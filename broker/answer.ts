// Answers to a PUBLISH: acknowledged, or refused. A publish that is refused is acknowledged,
// dropped and explained on `u/<me>/error`, because MQTT 3.1.1 has no negative answer.

import type { ErrorCode } from '../protocol/errors.ts'
import { errorCatalogue } from '../protocol/errors.ts'
import type { Connection } from './connection.ts'
import type { PublishPacket } from './edge/packets.ts'
import { packetType, writeAcknowledgement } from './edge/packets.ts'

/** What of a PUBLISH its answer needs. */
export type Head = Pick<PublishPacket, 'qos' | 'packetId'>

/** Writes what the publish's QoS asks for. */
export function acknowledge(connection: Connection, { qos, packetId }: Head): void {
  if (qos === 1) connection.write(writeAcknowledgement(packetType.puback, packetId))
  if (qos !== 2) return
  connection.receivedQos2.set(packetId, 'received')
  connection.write(writeAcknowledgement(packetType.pubrec, packetId))
}

/** Answers in order: after the publishes before it [MQTT-4.6.0-2]. The explanation goes first, so
 * that a client that waits for its PUBACK has it by then. */
export function refuse(
  connection: Connection,
  { qos, packetId }: Head,
  { code, detail }: { readonly code: ErrorCode; readonly detail?: string },
): void {
  connection.whenNothingInFlight(() => {
    const { session, context } = connection
    if (session === undefined) return
    context.engine.notify(session.user, 'error', {
      code,
      detail: detail ?? errorCatalogue[code].meaning,
      packetId,
      clientId: session.device,
    })
    acknowledge(connection, { qos, packetId })
  })
}
