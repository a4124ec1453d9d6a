// PUBLISH: from the packet to the log. A message is answered after its commit; one that is
// refused is acknowledged, dropped and explained on `u/<me>/error`, because MQTT 3.1.1 has no
// negative answer.

import type { MessageBody } from '../protocol/entry.ts'
import { parsePayload } from '../protocol/envelope.ts'
import type { ErrorCode } from '../protocol/errors.ts'
import { errorCatalogue } from '../protocol/errors.ts'
import { parsePublishTopic } from '../protocol/topics.ts'
import type { Route } from '../services/access/routes.ts'
import type { Member } from '../services/delivery/room.ts'
import type { Session } from '../services/delivery/session.ts'
import type { AppendRequest, AppendResult } from '../services/log/log.ts'
import type { Connection } from './connection.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import type { PublishPacket } from './edge/packets.ts'
import { packetType, readPacketId, readPublish, writeAcknowledgement } from './edge/packets.ts'

/** Topics whose route is remembered for one connection. */
const routesMax = 256

type Head = Pick<PublishPacket, 'qos' | 'packetId'>

/** A publish on its way through the log. */
class PendingPublish implements AppendRequest {
  readonly conversation: string
  readonly from: string
  readonly body: MessageBody
  readonly #connection: Connection
  readonly #head: Head

  constructor(
    connection: Connection,
    head: Head,
    message: Pick<AppendRequest, 'conversation' | 'from' | 'body'>,
  ) {
    this.#connection = connection
    this.#head = head
    this.conversation = message.conversation
    this.from = message.from
    this.body = message.body
  }

  isAbandoned(): boolean {
    return this.#connection.hasFailed
  }

  settled(result: AppendResult): void {
    const connection = this.#connection
    if (result.kind === 'failed') connection.fail('the message could not be stored')
    else acknowledge(connection, this.#head)
    connection.settledOne()
  }
}

/** Takes a PUBLISH. Throws `FatalPacket` when it ends the connection. */
export function handlePublish(connection: Connection, frame: Frame): void {
  const { session } = connection
  const packet = readPublish(frame)
  if (typeof packet === 'string') throw new FatalPacket(packet)
  if (session === undefined) return
  if (packet.qos === 2 && isRepeated(connection, packet.packetId)) return
  const { payloadBytesMax } = connection.context.limits
  const member = rememberedRoute(connection, packet.topic)
  const topic = member ? undefined : parsePublishTopic(packet.topic)
  if (topic?.kind === 'malformed') throw new FatalPacket(topic.reason)
  if (packet.payload.length > payloadBytesMax) {
    const detail = `${packet.payload.length} bytes; ${payloadBytesMax} are accepted`
    return refuse(connection, packet, { code: 'payload-too-large', detail })
  }
  const parsed = parsePayload(packet.payload)
  if (parsed.kind === 'invalid') {
    return refuse(connection, packet, { code: 'invalid-payload', detail: parsed.detail })
  }
  const message = { head: packet, session, body: parsed.body }
  if (topic === undefined) return append(connection, message, member as Member)
  const route = connection.context.routes.resolve(session, topic)
  if (!(route instanceof Promise)) return follow(connection, message, route)
  awaitRoute(connection, message, route)
}

interface Message {
  readonly head: PublishPacket
  readonly session: Session
  readonly body: MessageBody
}

function rememberedRoute(connection: Connection, topic: string): Member | undefined {
  const member = connection.routes.get(topic)
  return member?.active ? member : undefined
}

/** Reading waits while the store is asked, so that the messages of a publisher stay in order. */
function awaitRoute(connection: Connection, message: Message, route: Promise<Route>): void {
  connection.hold('route')
  route
    .then((found) => follow(connection, message, found))
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
  append(connection, message, route.member)
}

function append(connection: Connection, { head, session, body }: Message, member: Member): void {
  const { log, limits } = connection.context
  const { qos, packetId } = head
  if (connection.hasFailed) return
  if (qos === 2) connection.receivedQos2.set(packetId, 'storing')
  connection.inFlight++
  const { id: conversation } = member.room.conversation
  const message = { conversation, from: session.user, body }
  log.append(new PendingPublish(connection, { qos, packetId }, message))
  if (connection.inFlight >= limits.publishesInFlightMax) connection.hold('inFlight')
}

function acknowledge(connection: Connection, { qos, packetId }: Head): void {
  if (qos === 1) connection.write(writeAcknowledgement(packetType.puback, packetId))
  if (qos !== 2) return
  connection.receivedQos2.set(packetId, 'received')
  connection.write(writeAcknowledgement(packetType.pubrec, packetId))
}

/** Answers in order: after the publishes before it [MQTT-4.6.0-2]. The explanation goes first, so
 * that a client that waits for its PUBACK has it by then. */
function refuse(
  connection: Connection,
  { qos, packetId }: Head,
  { code, detail }: { readonly code: ErrorCode; readonly detail?: string },
): void {
  connection.whenNothingInFlight(() => {
    const { session, context } = connection
    if (session === undefined) return
    context.engine.notify(session.user, 'error', {
      code,
      detail: detail ?? errorCatalogue[code].meaning,
      packetId,
      clientId: session.device,
    })
    acknowledge(connection, { qos, packetId })
  })
}

/** A QoS 2 packet id that is under way already: its message is not stored again [MQTT-4.3.3-2]. */
function isRepeated(connection: Connection, packetId: number): boolean {
  const state = connection.receivedQos2.get(packetId)
  if (state === 'received') {
    connection.write(writeAcknowledgement(packetType.pubrec, packetId))
  }
  if (state === undefined && connection.receivedQos2.size >= qos2Max) {
    throw new FatalPacket(`more than ${qos2Max} QoS 2 messages without PUBREL`)
  }
  return state !== undefined
}

const qos2Max = 1000

/** PUBREL: the packet id is free again. Answered also when it is unknown [MQTT-3.7.2]. */
export function handlePubrel(connection: Connection, frame: Frame): void {
  const packetId = readPacketId(frame)
  // The flags of a PUBREL are 0010 [MQTT-3.6.1-1].
  if (!packetId || (frame.header & 0x0f) !== 2) throw new FatalPacket('a malformed PUBREL')
  connection.receivedQos2.delete(packetId)
  connection.write(writeAcknowledgement(packetType.pubcomp, packetId))
}
