// `…/typing`: a user is typing, or has stopped. Told to those who listen now, and forgotten.

import { parseTyping } from '../protocol/notices.ts'
import type { ConversationTopic } from '../protocol/topics.ts'
import { acknowledge, refuse } from './answer.ts'
import type { Connection } from './connection.ts'
import type { PublishPacket } from './edge/packets.ts'

/** Takes a typing notice, and answers it if its QoS asks for that. */
export function handleTyping(
  connection: Connection,
  packet: PublishPacket,
  topic: ConversationTopic,
): void {
  const { session, context } = connection
  if (session === undefined) return
  const member = context.routes.find(session, topic)
  if (member === undefined) return refuse(connection, packet, { code: 'not-a-member' })
  context.receipts.typing.tell(member, parseTyping(packet.payload))
  const { qos, packetId } = packet
  if (qos > 0) connection.whenNothingInFlight(() => acknowledge(connection, { qos, packetId }))
}
