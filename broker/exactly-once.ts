// QoS 2 publishes: a packet id stands for one message from its PUBLISH to its PUBREL. For a durable
// device that holds over reconnects and crashes: the log stores the id with the message, and the
// PUBCOMP waits until its release is stored. For the others it holds while the connection lasts.

import { reasonCode } from '../protocol/reasons.ts'
import type { Session } from '../services/delivery/session.ts'
import type { ReleaseRequest } from '../services/log/releases.ts'
import type { Connection } from './connection.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { PublishPacket } from './edge/packets.ts'
import { packetType, writeAcknowledgement, writeReason } from './edge/packets.ts'

/** Most packet ids of one session between PUBLISH and PUBREL. */
const qos2Max = 1000

/** A QoS 2 packet id that is under way on this connection already: its message is not stored again
 * [MQTT-4.3.3-2]. One from an earlier connection is for the log to judge. */
export function isRepeated(connection: Connection, packetId: number): boolean {
  const { receivedQos2 } = connection
  const state = receivedQos2.get(packetId)
  if (state === 'received') {
    connection.whenNothingInFlight(() => {
      connection.write(writeAcknowledgement(packetType.pubrec, packetId))
    })
  }
  if (state === undefined) demandRoom(connection)
  return state === 'storing' || state === 'received'
}

/** A client that keeps to the Receive Maximum never meets this [MQTT5-3.3.4-7]. What is left from
 * earlier connections does not count for it. */
function demandRoom({ receivedQos2, level, context }: Connection): void {
  const max = level === 5 ? Math.min(qos2Max, context.limits.publishesInFlightMax) : qos2Max
  if (receivedQos2.size < max) return
  let count = 0
  for (const state of receivedQos2.values()) if (level !== 5 || state !== 'remembered') count++
  if (count < max) return
  const fault = `more than ${max} QoS 2 messages without PUBREL`
  throw new FatalPacket(fault, reasonCode.receiveMaximumExceeded)
}

/** Whether the log remembers the packet id of a publish: nobody asks about those of other devices
 * after their connection. */
export function isTaken({ durable }: Session, { qos }: PublishPacket): boolean {
  return durable && qos === 2
}

/** Takes over what a durable device has not released on its earlier connections. */
export async function recallReceived(connection: Connection, session: Session): Promise<void> {
  const { releases } = connection.context
  for (const packetId of await releases.outstanding(session.user, session.device)) {
    connection.receivedQos2.set(packetId, 'remembered')
  }
}

/** A release on its way to the store. */
class PendingRelease implements ReleaseRequest {
  readonly user: string
  readonly device: string
  readonly packetId: number
  readonly #connection: Connection
  readonly #answer: Buffer

  constructor(
    connection: Connection,
    { user, device }: Session,
    { packetId, answer }: { readonly packetId: number; readonly answer: Buffer },
  ) {
    this.#connection = connection
    this.user = user
    this.device = device
    this.packetId = packetId
    this.#answer = answer
  }

  settled(isDurable: boolean): void {
    const connection = this.#connection
    if (isDurable) connection.write(this.#answer)
    else connection.close('a packet id could not be released', reasonCode.serverBusy)
    connection.settledOne()
  }
}

/** PUBREL: the packet id is free again. Answered also when it is unknown [MQTT-3.7.2]. */
export function handlePubrel(connection: Connection, packetId: number): void {
  const isUnknown = connection.level === 5 && !connection.receivedQos2.has(packetId)
  const answer = isUnknown
    ? writeReason(packetType.pubcomp, packetId, { reason: reasonCode.packetIdNotFound })
    : writeAcknowledgement(packetType.pubcomp, packetId)
  release(connection, packetId, answer)
}

/** Frees a packet id and says so with the answer: PUBCOMP, or a PUBREC that refuses the message
 * [MQTT5 4.3.3]. */
export function release(connection: Connection, packetId: number, answer: Buffer): void {
  const { session, context } = connection
  if (!connection.receivedQos2.delete(packetId) || !session?.durable) {
    return connection.write(answer)
  }
  // If the id were forgotten only after the answer, a crash in between would take the next message
  // under this id for the old one, and lose it.
  connection.inFlight++
  context.releases.add(new PendingRelease(connection, session, { packetId, answer }))
  if (connection.inFlight >= context.limits.publishesInFlightMax) connection.hold('inFlight')
}
