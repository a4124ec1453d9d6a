// `…/read`: a user has read a conversation up to a position.

import { parseRead } from '../protocol/notices.ts'
import type { ConversationTopic } from '../protocol/topics.ts'
import { acknowledge, type Head, refuse } from './answer.ts'
import type { Connection } from './connection.ts'
import type { PublishPacket } from './edge/packets.ts'

/** Takes a read mark. It is answered when it is durable; what follows it waits. */
export function handleRead(
  connection: Connection,
  packet: PublishPacket,
  topic: ConversationTopic,
): void {
  const seq = parseRead(packet.payload)
  if (seq === undefined) {
    const detail = 'a JSON object with seq, an integer from 1, is expected'
    return refuse(connection, packet, { code: 'invalid-payload', detail })
  }
  const { qos, packetId } = packet
  connection.whenNothingInFlight(() => markRead(connection, { qos, packetId }, { topic, seq }))
}

function markRead(
  connection: Connection,
  head: Head,
  { topic, seq }: { readonly topic: ConversationTopic; readonly seq: number },
): void {
  const { session, context } = connection
  if (session === undefined) return
  const member = context.routes.find(session, topic)
  if (member === undefined) return refuse(connection, head, { code: 'not-a-member' })
  connection.hold('answer')
  context.receipts
    .read(member, seq)
    .then(() => acknowledge(connection, head))
    .catch((err: unknown) => {
      context.logger.debug({ err }, 'a read mark could not be stored')
      connection.fail('a read mark could not be stored')
    })
    .finally(() => connection.release('answer'))
}
