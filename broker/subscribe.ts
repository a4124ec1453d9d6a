// SUBSCRIBE and UNSUBSCRIBE, of chat and of plain topics alike. Reading waits for the answer: a
// later PUBLISH is seen by the subscription.

import type { ISubscribePacket, IUnsubscribePacket } from 'mqtt-packet'
import { isPlainFilter } from '../protocol/filters.ts'
import type { Session } from '../services/delivery/session.ts'
import type { SubscribeCode, SubscribeRequest } from '../services/delivery/subscribe.ts'
import { refusedCode } from '../services/delivery/subscribe.ts'
import type { Connection } from './connection.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import { writeSuback, writeUnsuback } from './edge/packets.ts'
import { parsePacket } from './edge/parse.ts'
import { isGrantedPlain, subscribePlain, unsubscribePlain } from './plain-packets.ts'

/** Takes a SUBSCRIBE; the SUBACK goes out when the subscriptions are stored, and made. */
export function handleSubscribe(connection: Connection, frame: Frame): void {
  const { messageId, subscriptions } = parseSubscribe(frame)
  const requests = subscriptions.map(({ topic: filter, qos }) => {
    return { filter, qos, isPlain: isGrantedPlain(connection, filter) }
  })
  const { session } = connection
  if (session === undefined) return
  answer(connection, async () => {
    const codes = await subscribe(connection, session, { packetId: messageId, requests })
    return writeSuback(messageId, codes)
  })
}

/** Takes an UNSUBSCRIBE. */
export function handleUnsubscribe(connection: Connection, frame: Frame): void {
  const { messageId, unsubscriptions } = parseUnsubscribe(frame)
  const { session, context } = connection
  if (session === undefined) return
  answer(connection, async () => {
    await context.engine.unsubscribe(session, unsubscriptions)
    await unsubscribePlain(connection, messageId, unsubscriptions.filter(isPlainFilter))
    return writeUnsuback(messageId)
  })
}

/** Reads a SUBSCRIBE. Throws `FatalPacket`. */
export function parseSubscribe(frame: Frame): ISubscribePacket & { readonly messageId: number } {
  const packet = parsePacket(frame) as ISubscribePacket
  return { ...packet, messageId: check(packet.messageId, packet.subscriptions) }
}

/** Reads an UNSUBSCRIBE. Throws `FatalPacket`. */
export function parseUnsubscribe(
  frame: Frame,
): IUnsubscribePacket & { readonly messageId: number } {
  const packet = parsePacket(frame) as IUnsubscribePacket
  return { ...packet, messageId: check(packet.messageId, packet.unsubscriptions) }
}

/** A packet id is not 0 [MQTT-2.3.1-1], and there is at least one filter [MQTT-3.8.3-3,
 * MQTT-3.10.3-2]. */
function check(packetId: number | undefined, filters: readonly unknown[]): number {
  if (!packetId) throw new FatalPacket('packet id 0')
  if (filters.length === 0) throw new FatalPacket('no topic filter')
  return packetId
}

interface Subscribing {
  readonly packetId: number
  readonly requests: readonly SubscribeRequest[]
}

async function subscribe(
  connection: Connection,
  session: Session,
  { packetId, requests }: Subscribing,
): Promise<readonly SubscribeCode[]> {
  const codes = await connection.context.engine.subscribe(session, requests)
  const plain = requests.filter(({ isPlain }, index) => isPlain && codes[index] !== refusedCode)
  await subscribePlain(connection, packetId, plain)
  return codes
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
