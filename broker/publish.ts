// PUBLISH: which lane it takes, by its topic.

import { parsePublishTopic } from '../protocol/topics.ts'
import { refuse } from './answer.ts'
import type { Connection } from './connection.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import { readPublish } from './edge/packets.ts'
import { isRepeated } from './exactly-once.ts'
import { handleRead } from './mark-read.ts'
import { handleMessage, rememberedRoute } from './message.ts'
import { handlePlainPublish } from './plain/packets.ts'
import { handleSync } from './sync.ts'
import { handleTyping } from './typing.ts'

/** Takes a PUBLISH. Throws `FatalPacket` when it ends the connection. */
export function handlePublish(connection: Connection, frame: Frame): void {
  const { level, flow } = connection
  const read = readPublish(frame, level)
  const packet = flow === undefined ? read : flow.inbound.resolve(read)
  if (packet.qos === 2 && isRepeated(connection, packet.packetId)) return
  const member = rememberedRoute(connection, packet.topic)
  if (member !== undefined) return handleMessage(connection, packet, member)
  const topic = parsePublishTopic(packet.topic)
  if (topic.kind === 'malformed') throw new FatalPacket(topic.reason)
  if (topic.kind === 'direct' || topic.kind === 'group') {
    if (topic.leaf === 'msg') return handleMessage(connection, packet, topic)
    if (topic.leaf === 'read') return handleRead(connection, packet, topic)
    return handleTyping(connection, packet, topic)
  }
  if (topic.kind === 'sync') return handleSync(connection, packet, topic.user)
  if (topic.kind === 'plain') return handlePlainPublish(connection, packet)
  refuse(connection, packet, { code: 'unknown-topic' })
}
