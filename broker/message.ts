// A message: from its PUBLISH to the log. It is answered after its commit.

import { isUtf8 } from 'node:buffer'
import type { MessageBody } from '../protocol/entry.ts'
import type { ParsedPayload } from '../protocol/envelope.ts'
import { parsePayload } from '../protocol/envelope.ts'
import { userPropertiesMax } from '../protocol/limits.ts'
import type { PublishTopic } from '../protocol/topics.ts'
import type { Route } from '../services/access/routes.ts'
import type { Member } from '../services/delivery/room.ts'
import type { Session } from '../services/delivery/session.ts'
import { refuse } from './answer.ts'
import { handleRepeat, isRecorded, recordPublish } from './at-least-once.ts'
import type { Connection } from './connection.ts'
import type { PublishPacket } from './edge/packets.ts'
import { noProperties } from './edge/properties.ts'
import { isTaken } from './exactly-once.ts'
import { fingerprintOf } from './fingerprint.ts'
import { membersOf, weightOf } from './message-properties.ts'
import { PendingPublish } from './pending-publish.ts'

/** Topics whose route is remembered for one connection. */
const routesMax = 256
interface Message {
  readonly head: PublishPacket
  readonly session: Session
  readonly body: MessageBody
  /** Whether it is recorded, to be recognised when it comes again. */
  readonly isKept: boolean
  /** 0 for what is not recognised by it. */
  readonly fingerprint: number
  /** The connection has published nothing to this topic before. */
  readonly isFirst?: boolean
}

/** The membership behind a topic this connection has published messages to. */
export function rememberedRoute(connection: Connection, topic: string): Member | undefined {
  const member = connection.routes.get(topic)
  return member?.active ? member : undefined
}

/** Takes a message for a conversation the sender is known to be a member of, or for a topic that
 * is yet to be routed. */
export function handleMessage(
  connection: Connection,
  head: PublishPacket,
  to: Member | PublishTopic,
): void {
  const { session, context } = connection
  if (session === undefined) return
  context.counts.chatReceived++
  const { payloadBytesMax } = context.limits
  const { payload, properties } = head
  const bytes = properties === noProperties ? payload.length : payload.length + weightOf(properties)
  if (bytes > payloadBytesMax) {
    const detail = `${bytes} bytes; ${payloadBytesMax} are accepted`
    return refuse(connection, head, { code: 'payload-too-large', detail })
  }
  const parsed = parse(head)
  if (parsed.kind === 'invalid') {
    return refuse(connection, head, { code: 'invalid-payload', detail: parsed.detail })
  }
  const { body } = parsed
  const isKept = isRecorded(session, head, body)
  const isHashed = isKept || isTaken(session, head)
  const fingerprint = isHashed ? fingerprintOf(head.topic, head.payload) : 0
  const message = { head, session, body, isKept, fingerprint }
  if (isKept && head.dup) sendUnlessRepeated(connection, message, to)
  else send(connection, message, to)
}

/** Below level 5, and mostly, there is nothing beside the payload. */
function parse({ payload, properties }: PublishPacket): ParsedPayload {
  if (properties === noProperties) return parsePayload(payload)
  if ((properties.userProperties?.length ?? 0) > userPropertiesMax) {
    return { kind: 'invalid', detail: `at most ${userPropertiesMax} user properties are taken` }
  }
  // [MQTT5-3.3.2-4] is for senders; who receives may check [MQTT5 3.3.2.3.2].
  if (properties.payloadFormatIndicator && !isUtf8(payload)) {
    return { kind: 'invalid', detail: 'is said to be UTF-8, and is not' }
  }
  return parsePayload(payload, membersOf(properties))
}

/** A function of its own: what a closure captures is allocated at every call of its function. */
function sendUnlessRepeated(
  connection: Connection,
  message: Message,
  to: Member | PublishTopic,
): void {
  handleRepeat(connection, message, () => send(connection, message, to))
}

function send(connection: Connection, message: Message, to: Member | PublishTopic): void {
  if ('room' in to) return append(connection, message, to)
  const route = connection.context.routes.resolve(message.session, to)
  if (!(route instanceof Promise)) return follow(connection, message, route)
  awaitRoute(connection, message, route)
}

/** Reading waits while the store is asked, so that the messages of a publisher stay in order. */
function awaitRoute(connection: Connection, message: Message, route: Promise<Route>): void {
  connection.hold('route')
  route
    .then((found) => {
      // Of a connection that has ended the client sends again what was not answered, or has done so
      // already: stored now, this one would come after later ones.
      if (connection.session !== undefined) follow(connection, message, found)
    })
    .catch((err: unknown) => {
      connection.context.logger.debug({ err }, 'a publish could not be routed')
      connection.fail('the message could not be stored')
    })
    .finally(() => connection.release('route'))
}

function follow(connection: Connection, message: Message, route: Route): void {
  if (route.kind === 'refused') {
    return refuse(connection, message.head, { code: route.code })
  }
  const { routes } = connection
  if (routes.size >= routesMax) routes.clear()
  routes.set(message.head.topic, route.member)
  append(connection, { ...message, isFirst: true }, route.member)
}

function append(connection: Connection, publish: Message, member: Member): void {
  const { log, limits } = connection.context
  const { head, session, body, fingerprint, isFirst = false } = publish
  const { qos, packetId, dup } = head
  if (connection.hasFailed) return
  if (qos === 2) connection.receivedQos2.set(packetId, 'storing')
  const packet = isTaken(session, head)
    ? { device: session.device, packetId, isRepeat: dup, fingerprint }
    : undefined
  const record = recordPublish(connection, publish)
  connection.inFlight++
  const { id: conversation } = member.room.conversation
  const mayBeStored = dup || isFirst
  const message = { conversation, from: session.user, body, packet, mayBeStored }
  const pending = new PendingPublish(connection, { qos, packetId, record }, message)
  connection.publishes.join(pending)
  log.append(pending)
  if (connection.inFlight >= limits.publishesInFlightMax) connection.hold('inFlight')
}
