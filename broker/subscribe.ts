// SUBSCRIBE and UNSUBSCRIBE, of chat and of plain topics alike. Reading waits for the answer: a
// later PUBLISH is seen by the subscription.

import { isFilter, isPlainFilter } from '../protocol/filters.ts'
import { reasonCode } from '../protocol/reasons.ts'
import type { SubscriptionOptions } from '../services/delivery/ports.ts'
import type { Session } from '../services/delivery/session.ts'
import type { SubscribeCode, SubscribeRequest } from '../services/delivery/subscribe.ts'
import { subscriptionsMax } from '../services/delivery/subscriptions.ts'
import type { Connection } from './connection.ts'
import type { SubscribePacket } from './edge/client-packets.ts'
import { readSubscribe, readUnsubscribe } from './edge/client-packets.ts'
import type { Frame } from './edge/framer.ts'
import { writeSuback, writeUnsuback } from './edge/packets.ts'
import { isGrantedPlain, subscribePlain, unsubscribePlain } from './plain/packets.ts'

/** Takes a SUBSCRIBE; the SUBACK goes out when the subscriptions are stored, and made. */
export function handleSubscribe(connection: Connection, frame: Frame): void {
  const packet = readSubscribe(frame, connection.level)
  const { packetId, subscriptions } = packet
  const { session } = connection
  if (session === undefined) return
  const requests = subscriptions.map(({ filter, qos }, index) => {
    // A session has no room for more: to look at each would be work without end.
    const isPlain = index < subscriptionsMax && isGrantedPlain(connection, filter)
    return { filter, qos, isPlain, ...optionsOf(packet, index) }
  })
  const wanted = subscriptions.filter((asked) =>
    isRetainedWanted(asked, session.subscriptions.has(asked.filter)),
  )
  answerLater(connection, async () => {
    const codes = await subscribe(connection, session, { packetId, requests, wanted })
    const reasons = codes.map((code, index) => reasonFor(code, requests[index]?.filter ?? ''))
    return writeSuback(packetId, reasons, connection.level)
  })
}

/** Takes an UNSUBSCRIBE. */
export function handleUnsubscribe(connection: Connection, frame: Frame): void {
  const { packetId, filters } = readUnsubscribe(frame, connection.level)
  const { session, context } = connection
  if (session === undefined) return
  answerLater(connection, async () => {
    const codes = filters.map((filter) => unsubscribeCode(session.subscriptions.has(filter)))
    await context.engine.unsubscribe(session, filters)
    await unsubscribePlain(connection, packetId, filters.filter(isPlainFilter))
    return writeUnsuback(packetId, codes, connection.level)
  })
}

/** What UNSUBACK says of a filter. */
export function unsubscribeCode(wasSubscribed: boolean): number {
  return wasSubscribed ? reasonCode.success : reasonCode.noSubscriptionExisted
}

/** Whether retained messages are sent for a filter of a SUBSCRIBE [MQTT5-3.3.1-9, MQTT5-3.3.1-10,
 * MQTT5-3.3.1-11]. */
export function isRetainedWanted(
  { retainHandling }: Pick<SubscribePacket['subscriptions'][number], 'retainHandling'>,
  wasSubscribed: boolean,
): boolean {
  return retainHandling === 0 || (retainHandling === 1 && !wasSubscribed)
}

/** What one filter of a SUBSCRIBE asks for, to be stored. */
export function optionsOf(
  { subscriptions, properties }: SubscribePacket,
  index: number,
): SubscriptionOptions {
  const { noLocal, retainAsPublished } = subscriptions[index] ?? {}
  const { subscriptionIdentifier: identifier } = properties
  return {
    ...(noLocal ? { noLocal } : {}),
    ...(retainAsPublished ? { retainAsPublished } : {}),
    ...(typeof identifier === 'number' ? { identifier } : {}),
  }
}

/** Why exactly a filter was refused. Shared subscriptions are not to be had. */
function reasonFor(code: SubscribeCode, filter: string): number {
  if (code !== reasonCode.notAuthorized) return code
  if (filter.startsWith('$share/')) return reasonCode.sharedSubscriptionsNotSupported
  return isFilter(filter) ? code : reasonCode.topicFilterInvalid
}

interface Subscribing {
  readonly packetId: number
  readonly requests: readonly SubscribeRequest[]
  /** Filters whose retained messages are sent. */
  readonly wanted: readonly { readonly filter: string }[]
}

async function subscribe(
  connection: Connection,
  session: Session,
  { packetId, requests, wanted }: Subscribing,
): Promise<readonly SubscribeCode[]> {
  const codes = await connection.context.engine.subscribe(session, requests)
  const plain = requests.filter(({ isPlain }, index) => isPlain && isGranted(codes[index]))
  const filters = new Set(wanted.map(({ filter }) => filter))
  await subscribePlain(
    connection,
    packetId,
    plain.map((request) => ({ ...request, wantsRetained: filters.has(request.filter) })),
  )
  return codes
}

/** Whether the code of a SUBACK says that a filter was granted. */
export function isGranted(code: number | undefined): boolean {
  return code !== undefined && code <= 2
}

/** Writes the answer when the work is done; reading waits for it. */
export function answerLater(connection: Connection, work: () => Promise<Buffer>): void {
  connection.hold('answer')
  work()
    .then((packet) => connection.write(packet))
    .catch((err: unknown) => {
      connection.context.logger.debug({ err }, 'subscriptions could not be stored')
      connection.close('subscriptions could not be stored', reasonCode.serverBusy)
    })
    .finally(() => connection.release('answer'))
}
