// Packets of plain topics, on their way from a connection to aedes. The first one introduces the
// device; reading waits until aedes knows it.

import { isPlainFilter } from '../protocol/filters.ts'
import { reasonCode } from '../protocol/reasons.ts'
import { deviceKey } from '../services/delivery/locks.ts'
import type { SubscribeRequest } from '../services/delivery/subscribe.ts'
import { packetIdMax } from '../services/delivery/window.ts'
import { refuse } from './answer.ts'
import type { Connection } from './connection.ts'
import type { Will } from './edge/client-packets.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import type { PublishPacket } from './edge/packets.ts'
import { packetType, readPacketId } from './edge/packets.ts'
import type { Introduction, PlainClient } from './plain-client.ts'

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
    will,
    subscriptions: subscriptions.plain(),
    firstId: packetIdMax + 1,
    isAlone: false,
    mayPublish: (topic) => plainAccess.mayPublish(identity.topics, topic),
    maySubscribe: (filter) => plainAccess.maySubscribe(identity.topics, filter),
  })
}

/** Connects a connection to a client of aedes; reading waits until aedes has answered. */
export function introduce(connection: Connection, introduction: Introduction): PlainClient {
  const { plain: lane, counts } = connection.context
  const plain = lane.introduce(introduction, {
    write: (packet) => {
      if ((packet[0] as number) >> 4 === packetType.publish) counts.plainDelivered++
      connection.write(packet)
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

/** Gives a packet to aedes as it is, for a connection that it knows. */
export function givePlain(connection: Connection, { buffer, first, end }: Frame): void {
  // A copy: the bytes lie in a larger chunk.
  const packet = Buffer.from(buffer.subarray(first, end))
  if (connection.plain?.give(packet) === false) connection.hold('aedes')
}

/** A PUBLISH to a plain topic. */
export function handlePlainPublish(
  connection: Connection,
  packet: PublishPacket,
  frame: Frame,
): void {
  const { identity, context } = connection
  if (identity === undefined) return
  context.counts.plainReceived++
  if (!context.plainAccess.mayPublish(identity.topics, packet.topic)) {
    const detail = 'No grant of the token covers this topic.'
    return refuse(connection, packet, { code: 'not-authorized', detail })
  }
  // Chat must know of ids that are given again: it recognises what is sent again by them.
  if (packet.qos > 0 && !packet.dup) connection.records?.used(packet.packetId, false)
  introducePlain(connection)
  givePlain(connection, frame)
}

/** PUBACK, PUBREC or PUBCOMP of a message of aedes: it numbers them above chat. True when it was
 * one. Late ones are ignored. */
export function isPlainAnswer(connection: Connection, frame: Frame): boolean {
  if (readPacketId(frame, connection.level) <= packetIdMax) return false
  givePlain(connection, frame)
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

/** Subscribes in aedes; of equal filters the last counts [MQTT-3.8.4-3]. */
export async function subscribePlain(
  connection: Connection,
  packetId: number,
  requests: readonly SubscribeRequest[],
): Promise<void> {
  if (requests.length === 0) return
  const last = new Map(requests.map(({ filter, qos }) => [filter, { topic: filter, qos }]))
  const subscriptions = [...last.values()]
  const plain = connection.plain ?? introducePlain(connection)
  await plain?.change({ cmd: 'subscribe', messageId: packetId, subscriptions })
}

/** Unsubscribes in aedes. */
export async function unsubscribePlain(
  connection: Connection,
  packetId: number,
  filters: readonly string[],
): Promise<void> {
  if (filters.length === 0) return
  const unsubscriptions = [...filters]
  await connection.plain?.change({ cmd: 'unsubscribe', messageId: packetId, unsubscriptions })
}
