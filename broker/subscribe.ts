// SUBSCRIBE and UNSUBSCRIBE. Reading waits for the answer: a later PUBLISH is seen by the
// subscription.

import type { ISubscribePacket, IUnsubscribePacket } from 'mqtt-packet'
import type { Connection } from './connection.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import { writeSuback, writeUnsuback } from './edge/packets.ts'
import { parsePacket } from './edge/parse.ts'

/** Takes a SUBSCRIBE; the SUBACK goes out when the subscriptions are stored. */
export function handleSubscribe(connection: Connection, frame: Frame): void {
  const packet = parsePacket(frame) as ISubscribePacket
  check(packet.messageId, packet.subscriptions)
  const requests = packet.subscriptions.map(({ topic, qos }) => ({ filter: topic, qos }))
  const { session, context } = connection
  if (session === undefined) return
  answer(connection, async () => {
    const codes = await context.engine.subscribe(session, requests)
    return writeSuback(packet.messageId ?? 0, codes)
  })
}

/** Takes an UNSUBSCRIBE. */
export function handleUnsubscribe(connection: Connection, frame: Frame): void {
  const packet = parsePacket(frame) as IUnsubscribePacket
  check(packet.messageId, packet.unsubscriptions)
  const { session, context } = connection
  if (session === undefined) return
  answer(connection, async () => {
    await context.engine.unsubscribe(session, packet.unsubscriptions)
    return writeUnsuback(packet.messageId ?? 0)
  })
}

/** A packet id is not 0 [MQTT-2.3.1-1], and there is at least one filter [MQTT-3.8.3-3,
 * MQTT-3.10.3-2]. */
function check(packetId: number | undefined, filters: readonly unknown[]): void {
  if (!packetId) throw new FatalPacket('packet id 0')
  if (filters.length === 0) throw new FatalPacket('no topic filter')
}

function answer(connection: Connection, work: () => Promise<Buffer>): void {
  connection.hold('answer')
  work()
    .then((packet) => connection.write(packet))
    .catch((err: unknown) => {
      connection.context.logger.debug({ err }, 'subscriptions could not be stored')
      connection.close('subscriptions could not be stored')
    })
    .finally(() => connection.release('answer'))
}
