// The trusted mode: aedes alone, behind the framing and the strictness of the edge. For conformance
// suites and load tests on a private network: any client id, any topic, no token, no chat.

import { isFilter } from '../protocol/filters.ts'
import { reasonCode } from '../protocol/reasons.ts'
import { publishTopicFault } from '../protocol/topics.ts'
import type { SubscribeRequest } from '../services/delivery/subscribe.ts'
import { acceptConnect, grant } from './connack.ts'
import { clientIdOf, readOrRefuse, refuseClientId } from './connect.ts'
import type { Connection, PacketHandler } from './connection.ts'
import { handleDisconnect } from './disconnect.ts'
import { readSubscribe, readUnsubscribe } from './edge/client-packets.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import {
  packetType,
  readPacketId,
  readPublish,
  writeSuback,
  writeUnsuback,
} from './edge/packets.ts'
import { handlePingreq } from './ping.ts'
import { givePlain, introduce, subscribePlain, unsubscribePlain } from './plain-packets.ts'
import { answerLater } from './subscribe.ts'

/** Which handler takes which packet of a client that is connected, or about to be. */
const handlers: readonly (PacketHandler | undefined)[] = Object.assign(new Array(16), {
  [packetType.publish]: handlePublish,
  [packetType.puback]: handleAnswer,
  [packetType.pubrec]: handleAnswer,
  [packetType.pubrel]: handleAnswer,
  [packetType.pubcomp]: handleAnswer,
  [packetType.subscribe]: handleSubscribe,
  [packetType.unsubscribe]: handleUnsubscribe,
  [packetType.pingreq]: handlePingreq,
  [packetType.disconnect]: handleDisconnect,
})

/** Takes one packet of a client. Throws `FatalPacket` when it ends the connection. */
export function handleTrustedPacket(connection: Connection, frame: Frame): void {
  const type = frame.header >> 4
  if (connection.state === 'awaitingConnect') {
    if (type === packetType.connect) return handleTrustedConnect(connection, frame)
    throw new FatalPacket('a packet before CONNECT [MQTT-3.1.0-1]')
  }
  const handle = handlers[type]
  // A second CONNECT is one of these [MQTT-3.1.0-2].
  if (handle === undefined) throw new FatalPacket(`a packet of type ${type} from a client`)
  handle(connection, frame)
}

/** CONNECT: answered when aedes knows the client. */
function handleTrustedConnect(connection: Connection, frame: Frame): void {
  const packet = readOrRefuse(connection, frame)
  if (packet === undefined) return
  // aedes publishes and retains it as any other message.
  if (packet.will !== undefined) demandTopic(packet.will.topic)
  const clientId = clientIdOf(packet, connection.context.randomId)
  if (clientId === undefined) return refuseClientId(connection)
  connection.state = 'connecting'
  connection.hold('answer')
  const granted = grant(packet, clientId, connection.context.limits)
  connection.silenceMsMax = granted.keepAliveSeconds * 1500
  const plain = introduce(connection, {
    clientId,
    clean: packet.clean,
    will: packet.will,
    subscriptions: [],
    firstId: 1,
    isAlone: true,
    connected: (present) => acceptConnect(connection, packet, { present, granted }),
    mayPublish: (topic) => !topic.startsWith('$SYS/'),
    maySubscribe: () => true,
  })
  void plain.ready.then(() => {
    if (connection.state === 'connecting') connection.opened()
    connection.release('answer')
  })
}

function handlePublish(connection: Connection, frame: Frame): void {
  connection.context.counts.plainReceived++
  demandTopic(readPublish(frame, connection.level).topic)
  givePlain(connection, frame)
}

/** PUBACK, PUBREC, PUBREL and PUBCOMP. */
function handleAnswer(connection: Connection, frame: Frame): void {
  readPacketId(frame, connection.level)
  givePlain(connection, frame)
}

/** SUBSCRIBE: what is asked for is granted, as long as there is room. */
function handleSubscribe(connection: Connection, frame: Frame): void {
  const { packetId, subscriptions } = readSubscribe(frame, connection.level)
  demandFilters(subscriptions.map(({ filter }) => filter))
  const { plain } = connection
  const requests = subscriptions.map(({ filter, qos }): SubscribeRequest => ({ filter, qos }))
  const isTaken = ({ filter, qos }: SubscribeRequest) => plain?.granted.add(filter, qos) === true
  const codes = requests.map((it) => (isTaken(it) ? it.qos : reasonCode.quotaExceeded))
  const taken = requests.filter((_, index) => codes[index] !== reasonCode.quotaExceeded)
  answerLater(connection, async () => {
    await subscribePlain(connection, packetId, taken)
    return writeSuback(packetId, codes, connection.level)
  })
}

function handleUnsubscribe(connection: Connection, frame: Frame): void {
  const { packetId, filters } = readUnsubscribe(frame, connection.level)
  demandFilters(filters)
  const isKnown = (filter: string) => connection.plain?.granted.has(filter) === true
  const known = filters.filter(isKnown)
  const codes = filters.map((filter) =>
    isKnown(filter) ? reasonCode.success : reasonCode.noSubscriptionExisted,
  )
  answerLater(connection, async () => {
    await unsubscribePlain(connection, packetId, known)
    return writeUnsuback(packetId, codes, connection.level)
  })
}

function demandTopic(topic: string): void {
  const fault = publishTopicFault(topic)
  if (fault !== undefined) throw new FatalPacket(fault)
}

function demandFilters(filters: readonly string[]): void {
  const bad = filters.find((filter) => !isFilter(filter))
  if (bad !== undefined) throw new FatalPacket('a topic filter that is none [MQTT-4.7.1-2]')
}
