// Answers to a PUBLISH: acknowledged, or refused. A publish that is refused is dropped and
// explained on `u/<me>/error`. Below level 5 it is acknowledged all the same, because MQTT 3.1.1
// has no negative answer; at level 5 the answer says why it was refused.

import type { ErrorCode } from '../protocol/errors.ts'
import { errorCatalogue } from '../protocol/errors.ts'
import type { Connection } from './connection.ts'
import { countUp } from './counts.ts'
import type { PublishPacket } from './edge/packets.ts'
import { packetType, writeAcknowledgement, writeReason } from './edge/packets.ts'
import { release } from './exactly-once.ts'
import { explained } from './terms.ts'

/** What of a PUBLISH its answer needs. */
export type Head = Pick<PublishPacket, 'qos' | 'packetId'>

interface Reason {
  readonly code: ErrorCode
  readonly detail?: string
}

/** Writes what the publish's QoS asks for. */
export function acknowledge(connection: Connection, { qos, packetId }: Head): void {
  if (qos === 1) connection.write(writeAcknowledgement(packetType.puback, packetId))
  if (qos !== 2) return
  connection.receivedQos2.set(packetId, 'received')
  connection.write(writeAcknowledgement(packetType.pubrec, packetId))
}

/** Answers in order: after the publishes before it [MQTT-4.6.0-2]. The explanation goes first, so
 * that a client that waits for its PUBACK has it by then. All devices of the user hear it, so it is
 * the same at every level. */
export function refuse(connection: Connection, head: Head, reason: Reason): void {
  connection.whenNothingInFlight(() => {
    const { session, context } = connection
    if (session === undefined) return
    const { code, detail = errorCatalogue[code].meaning } = reason
    const { packetId } = head
    countUp(context.counts.publishesRefused, code)
    context.engine.notify(session.user, 'error', {
      code,
      detail,
      packetId,
      clientId: session.device,
    })
    if (connection.level !== 5) return acknowledge(connection, head)
    answerRefused(connection, head, { code, detail })
  })
}

/** PUBACK or PUBREC with the reason; a PUBREC with one ends the exchange [MQTT5 4.3.3]. */
function answerRefused(
  connection: Connection,
  { qos, packetId }: Head,
  reason: Required<Reason>,
): void {
  if (qos === 0) return
  const answer = writeRefusal(connection, qos === 1 ? packetType.puback : packetType.pubrec, {
    packetId,
    ...reason,
  })
  if (qos === 1) connection.write(answer)
  else release(connection, packetId, answer)
}

/** [MQTT5-3.4.2-2, MQTT5-3.4.2-3, MQTT5-3.5.2-2, MQTT5-3.5.2-3] */
function writeRefusal(
  { terms }: Connection,
  type: number,
  { packetId, code, detail }: Required<Reason> & Pick<Head, 'packetId'>,
): Buffer {
  const { reason } = errorCatalogue[code]
  const more = { reasonString: detail, userProperties: [['code', code]] as const }
  return explained(terms, more, (properties) => writeReason(type, packetId, { reason, properties }))
}
