// The trusted mode: aedes alone, behind the framing and the strictness of the edge. For conformance
// suites and load tests on a private network: any client id, any topic, no token, no chat.

import { isFilter } from '../protocol/filters.ts'
import type { ReasonCode } from '../protocol/reasons.ts'
import { reasonCode } from '../protocol/reasons.ts'
import { publishTopicFault } from '../protocol/topics.ts'
import type { Granted } from './connack.ts'
import { acceptConnect, grant, refuseConnect } from './connack.ts'
import { clientIdOf, readOrRefuse, refuseClientId } from './connect.ts'
import type { Connection, PacketHandler } from './connection.ts'
import type { BrokerContext } from './context.ts'
import { handleDisconnect } from './disconnect.ts'
import type { ConnectPacket } from './edge/client-packets.ts'
import { readSubscribe, readUnsubscribe } from './edge/client-packets.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import type { PublishPacket } from './edge/packets.ts'
import {
  packetType,
  readPacketId,
  readPublish,
  writeReason,
  writeSuback,
  writeUnsuback,
} from './edge/packets.ts'
import type { Level } from './edge/reader.ts'
import { handlePingreq } from './ping.ts'
import type { PlainClient, PlainRequest } from './plain/client.ts'
import {
  giveAnswer,
  givePublish,
  givePubrel,
  introduce,
  isFormatKept,
  subscribePlain,
  unsubscribePlain,
} from './plain/packets.ts'
import {
  answerLater,
  isGranted,
  isRetainedWanted,
  optionsOf,
  unsubscribeCode,
} from './subscribe.ts'

/** Which handler takes which packet of a client that is connected, or about to be. */
const handlers: readonly (PacketHandler | undefined)[] = Object.assign(new Array(16), {
  [packetType.publish]: handlePublish,
  [packetType.puback]: giveAnswer,
  [packetType.pubrec]: giveAnswer,
  [packetType.pubrel]: handlePubrel,
  [packetType.pubcomp]: giveAnswer,
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
  const { will } = packet
  const granted = grant(packet, clientId, connection.context.limits)
  const life = lifeOf(packet, granted)
  if (!life.clean && !hasRoomFor(clientId, connection.context)) {
    const why = 'as many sessions are kept as there may be connections'
    return refuseConnect(connection, reasonCode.quotaExceeded, why)
  }
  connection.state = 'connecting'
  connection.hold('answer')
  connection.silenceMsMax = granted.keepAliveSeconds * 1500
  const plain = introduce(connection, {
    clientId,
    ...life,
    will,
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

/** Whether the session of a client may be kept: `connectionsMax` may, and all that are. */
function hasRoomFor(clientId: string, { plain, limits }: BrokerContext): boolean {
  return plain.remembers(clientId) || plain.remembered() < limits.connectionsMax
}

/** What is kept of a client, and for how long. Below level 5 that is nothing, or for ever. */
function lifeOf({ level, clean: startsClean }: ConnectPacket, granted: Granted) {
  const forEver = level !== 5 && !startsClean
  const lastsMs = forEver ? Number.POSITIVE_INFINITY : (granted.sessionExpirySeconds ?? 0) * 1000
  return { startsClean, lastsMs, clean: startsClean && lastsMs === 0 }
}

function handlePublish(connection: Connection, frame: Frame): void {
  const { level, flow, context } = connection
  context.counts.plainReceived++
  const read = readPublish(frame, level)
  const packet = flow === undefined ? read : flow.inbound.resolve(read)
  demandTopic(packet.topic)
  if (isFormatKept(packet)) givePublish(connection, packet)
  else refusePublish(connection, packet, reasonCode.payloadFormatInvalid)
}

/** Only a client of level 5 can be told, and is ever refused a message. */
function refusePublish(
  connection: Connection,
  { qos, packetId }: PublishPacket,
  reason: ReasonCode,
): void {
  if (qos === 0) return
  const type = qos === 1 ? packetType.puback : packetType.pubrec
  connection.write(writeReason(type, packetId, { reason }))
}

function handlePubrel(connection: Connection, frame: Frame): void {
  givePubrel(connection, readPacketId(frame, connection.level))
}

/** SUBSCRIBE: what is asked for is granted, as long as there is room. */
function handleSubscribe(connection: Connection, frame: Frame): void {
  const { plain, level } = connection
  if (plain === undefined) return
  const packet = readSubscribe(frame, level)
  const { packetId } = packet
  const requests = packet.subscriptions.map((asked, index) => {
    const options = optionsOf(packet, index)
    const wantsRetained = isRetainedWanted(asked, plain.granted.has(asked.filter))
    return { filter: asked.filter, qos: asked.qos, ...options, wantsRetained }
  })
  const codes = requests.map((request) => grantFilter(plain, request, level))
  const granted = requests.filter((_, index) => isGranted(codes[index]))
  answerLater(connection, async () => {
    await subscribePlain(connection, packetId, granted)
    return writeSuback(packetId, codes, level)
  })
}

/** The granted QoS, or why there is none. */
function grantFilter({ granted }: PlainClient, request: PlainRequest, level: Level): number {
  const { filter, qos } = request
  const isShared = level === 5 && filter.startsWith('$share/')
  if (isShared) return reasonCode.sharedSubscriptionsNotSupported
  if (!isFilter(filter)) throw new FatalPacket('a topic filter that is none [MQTT-4.7.1-2]')
  return granted.add(filter, qos, request) ? qos : reasonCode.quotaExceeded
}

function handleUnsubscribe(connection: Connection, frame: Frame): void {
  const { packetId, filters } = readUnsubscribe(frame, connection.level)
  const isKnown = (filter: string) => connection.plain?.granted.has(filter) === true
  if (!filters.every(isFilter)) throw new FatalPacket('a topic filter that is none [MQTT-4.7.1-2]')
  const codes = filters.map((filter) => unsubscribeCode(isKnown(filter)))
  const known = filters.filter(isKnown)
  answerLater(connection, async () => {
    await unsubscribePlain(connection, packetId, known)
    return writeUnsuback(packetId, codes, connection.level)
  })
}

function demandTopic(topic: string): void {
  const fault = publishTopicFault(topic)
  if (fault !== undefined) throw new FatalPacket(fault)
}
