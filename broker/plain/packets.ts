// Packets of plain topics, on their way from a connection to aedes. The first one introduces the
// device; reading waits until aedes knows it.

import { isUtf8 } from 'node:buffer'
import { isPlainFilter } from '../../protocol/filters.ts'
import { reasonCode } from '../../protocol/reasons.ts'
import { deviceKey } from '../../services/delivery/locks.ts'
import { packetIdMax } from '../../services/delivery/window.ts'
import { refuse } from '../answer.ts'
import type { Connection } from '../connection.ts'
import type { Will } from '../edge/client-packets.ts'
import { FatalPacket } from '../edge/fatal-packet.ts'
import type { Frame } from '../edge/framer.ts'
import type { PublishPacket } from '../edge/packets.ts'
import { packetType, readPacketId, writeAcknowledgement, writeReason } from '../edge/packets.ts'
import { aliased } from './alias.ts'
import type { Introduction, PlainClient, PlainRequest } from './client.ts'
import { writeNoted } from './note.ts'

/** Makes the connection's device known to aedes, if it is not. */
export function introducePlain(connection: Connection, will?: Will): PlainClient | undefined {
  const { session, identity, context } = connection
  if (session === undefined || identity === undefined) return undefined
  if (connection.plain !== undefined) return connection.plain
  const { durable, subscriptions } = session
  const { plainAccess } = context
  return introduce(connection, {
    clientId: deviceKey(session),
    clean: !durable,
    // A new session was told to aedes when the device connected.
    startsClean: false,
    lastsMs: session.lastsMs(),
    will,
    subscriptions: subscriptions.plain(),
    firstId: packetIdMax + 1,
    isAlone: false,
    mayPublish: (topic) => plainAccess.mayPublish(identity.topics, topic),
    maySubscribe: (filter) => plainAccess.maySubscribe(identity.topics, filter),
  })
}

/** Connects a connection to a client of aedes; reading waits until aedes has answered. */
export function introduce(
  connection: Connection,
  introduction: Omit<Introduction, 'level' | 'packetBytesMax' | 'quota'>,
): PlainClient {
  const { level, terms, flow, quota, context } = connection
  const { packetBytesMax } = terms
  const whole = { ...introduction, level, packetBytesMax, quota }
  const plain = context.plain.introduce(whole, {
    write: (packet) => {
      if ((packet[0] as number) >> 4 === packetType.publish) context.counts.plainDelivered++
      connection.write(flow ? aliased(packet, flow.outbound, packetBytesMax) : packet)
    },
    closed: () => connection.close('aedes closed the connection', reasonCode.unspecifiedError),
    takenOver: () => connection.takenOver(),
    wanted: () => connection.release('aedes'),
    unsentBytes: () => connection.unsentBytes(),
    cut: (reason) => connection.destroy(reason),
  })
  connection.plain = plain
  connection.hold('introduction')
  void plain.ready.then(() => connection.release('introduction'))
  return plain
}

/** Gives a PUBLISH to aedes, for a connection that it knows. */
export function givePublish(connection: Connection, packet: PublishPacket): void {
  if (connection.plain?.give(writeNoted(packet)) === false) connection.hold('aedes')
}

/** Gives a PUBACK, PUBREC or PUBCOMP to aedes. */
export function giveAnswer(connection: Connection, frame: Frame): void {
  const packetId = readPacketId(frame, connection.level)
  if (connection.plain?.giveAnswer(frame, packetId) === false) connection.hold('aedes')
}

/** Gives a PUBREL to aedes. One of level 5 that aedes does not know is answered for it
 * [MQTT5-3.7.2.1]. */
export function givePubrel(connection: Connection, packetId: number): void {
  const { plain, level, context } = connection
  const give = () => {
    const packet = writeAcknowledgement(packetType.pubrel, packetId)
    if (plain?.give(packet) === false) connection.hold('aedes')
  }
  if (level !== 5 || plain === undefined) return give()
  const { clientId } = plain.introduction
  const reason = reasonCode.packetIdNotFound
  void context.plain.isHalfFinished(clientId, packetId).then((isKnown) => {
    if (isKnown) give()
    else connection.write(writeReason(packetType.pubcomp, packetId, { reason }))
  })
}

/** Whether a payload is what its format says it is. */
export function isFormatKept({ properties, payload }: PublishPacket): boolean {
  return !properties.payloadFormatIndicator || isUtf8(payload)
}

/** A PUBLISH to a plain topic. */
export function handlePlainPublish(connection: Connection, packet: PublishPacket): void {
  const { identity, context } = connection
  if (identity === undefined) return
  context.counts.plainReceived++
  if (!context.plainAccess.mayPublish(identity.topics, packet.topic)) {
    const detail = 'No grant of the token covers this topic.'
    return refuse(connection, packet, { code: 'not-authorized', detail })
  }
  if (!isFormatKept(packet)) {
    return refuse(connection, packet, { code: 'invalid-payload', detail: 'It is not UTF-8.' })
  }
  // Chat must know of ids that are given again: it recognises what is sent again by them.
  if (packet.qos > 0 && !packet.dup) connection.records?.used(packet.packetId, false)
  introducePlain(connection)
  givePublish(connection, packet)
}

/** PUBACK, PUBREC or PUBCOMP of a message of aedes: it numbers them above chat. True when it was
 * one. Late ones are ignored. */
export function isPlainAnswer(connection: Connection, frame: Frame): boolean {
  if (readPacketId(frame, connection.level) <= packetIdMax) return false
  giveAnswer(connection, frame)
  return true
}

/** PUBREC or PUBCOMP. Chat is delivered without them. */
export function handlePlainAnswer(connection: Connection, frame: Frame): void {
  if (!isPlainAnswer(connection, frame)) throw new FatalPacket('an answer to what was never sent')
}

/** Whether the filter is one of plain topics, and the client's to subscribe to. */
export function isGrantedPlain({ identity, context }: Connection, filter: string): boolean {
  if (identity === undefined || !isPlainFilter(filter)) return false
  return context.plainAccess.maySubscribe(identity.topics, filter)
}

/** Subscribes in aedes. */
export async function subscribePlain(
  connection: Connection,
  packetId: number,
  requests: readonly PlainRequest[],
): Promise<void> {
  if (requests.length === 0) return
  const plain = connection.plain ?? introducePlain(connection)
  await plain?.subscribe(packetId, requests)
}

/** Unsubscribes in aedes. */
export async function unsubscribePlain(
  connection: Connection,
  packetId: number,
  filters: readonly string[],
): Promise<void> {
  if (filters.length > 0) await connection.plain?.unsubscribe(packetId, filters)
}
