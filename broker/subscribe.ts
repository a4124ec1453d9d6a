// SUBSCRIBE and UNSUBSCRIBE, of chat and of plain topics alike. Reading waits for the answer: a
// later PUBLISH is seen by the subscription.

import { isPlainFilter } from '../protocol/filters.ts'
import { reasonCode } from '../protocol/reasons.ts'
import type { Session } from '../services/delivery/session.ts'
import type { SubscribeCode, SubscribeRequest } from '../services/delivery/subscribe.ts'
import { refusedCode } from '../services/delivery/subscribe.ts'
import type { Connection } from './connection.ts'
import { readSubscribe, readUnsubscribe } from './edge/client-packets.ts'
import type { Frame } from './edge/framer.ts'
import { writeSuback, writeUnsuback } from './edge/packets.ts'
import { isGrantedPlain, subscribePlain, unsubscribePlain } from './plain-packets.ts'

/** Takes a SUBSCRIBE; the SUBACK goes out when the subscriptions are stored, and made. */
export function handleSubscribe(connection: Connection, frame: Frame): void {
  const { packetId, subscriptions } = readSubscribe(frame, connection.level)
  const requests = subscriptions.map(({ filter, qos }) => {
    return { filter, qos, isPlain: isGrantedPlain(connection, filter) }
  })
  const { session } = connection
  if (session === undefined) return
  answerLater(connection, async () => {
    const codes = await subscribe(connection, session, { packetId, requests })
    return writeSuback(packetId, codes)
  })
}

/** Takes an UNSUBSCRIBE. */
export function handleUnsubscribe(connection: Connection, frame: Frame): void {
  const { packetId, filters } = readUnsubscribe(frame, connection.level)
  const { session, context } = connection
  if (session === undefined) return
  answerLater(connection, async () => {
    await context.engine.unsubscribe(session, filters)
    await unsubscribePlain(connection, packetId, filters.filter(isPlainFilter))
    return writeUnsuback(packetId)
  })
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
