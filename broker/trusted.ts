// The trusted mode: aedes alone, behind the framing and the strictness of the edge. For conformance
// suites and load tests on a private network: any client id, any topic, no token, no chat.

import { isFilter } from '../protocol/filters.ts'
import { publishTopicFault } from '../protocol/topics.ts'
import { clientIdOf, readOrRefuse, refuseClientId } from './connect.ts'
import type { Connection, PacketHandler } from './connection.ts'
import { handleDisconnect } from './disconnect.ts'
import { readSubscribe, readUnsubscribe } from './edge/client-packets.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import { packetType, readPacketId, readPublish } from './edge/packets.ts'
import type { Level } from './edge/reader.ts'
import { handlePingreq } from './ping.ts'
import { givePlain, introduce } from './plain-packets.ts'

/** What must hold of a packet before aedes gets it, by control packet type. */
const checks: readonly ((frame: Frame, level: Level) => void)[] = Object.assign(new Array(16), {
  [packetType.publish]: checkPublish,
  [packetType.puback]: readPacketId,
  [packetType.pubrec]: readPacketId,
  [packetType.pubrel]: readPacketId,
  [packetType.pubcomp]: readPacketId,
  [packetType.subscribe]: checkSubscribe,
  [packetType.unsubscribe]: checkUnsubscribe,
})

const give: PacketHandler = (connection, frame) => {
  const type = frame.header >> 4
  const check = checks[type]
  if (check === undefined) throw new FatalPacket(`a packet of type ${type} from a client`)
  check(frame, connection.level)
  givePlain(connection, frame)
}

/** Takes one packet of a client. Throws `FatalPacket` when it ends the connection. */
export function handleTrustedPacket(connection: Connection, frame: Frame): void {
  const type = frame.header >> 4
  if (connection.state === 'awaitingConnect') {
    if (type === packetType.connect) return handleTrustedConnect(connection, frame)
    throw new FatalPacket('a packet before CONNECT [MQTT-3.1.0-1]')
  }
  if (type === packetType.pingreq) return handlePingreq(connection, frame)
  if (type === packetType.disconnect) return handleDisconnect(connection, frame)
  give(connection, frame)
}

/** CONNECT: aedes answers. */
function handleTrustedConnect(connection: Connection, frame: Frame): void {
  const packet = readOrRefuse(connection, frame)
  if (packet === undefined) return
  // aedes publishes and retains it as any other message.
  if (packet.will !== undefined) demandTopic(packet.will.topic)
  const clientId = clientIdOf(packet, connection.context.randomId)
  if (clientId === undefined) return refuseClientId(connection)
  connection.state = 'connecting'
  connection.hold('answer')
  connection.silenceMsMax = packet.keepAliveSeconds * 1500
  const plain = introduce(connection, {
    clientId,
    clean: packet.clean,
    will: packet.will,
    subscriptions: [],
    isVerbatim: true,
    mayPublish: (topic) => !topic.startsWith('$SYS/'),
    maySubscribe: () => true,
  })
  void plain.ready.then(() => {
    if (connection.state === 'connecting') connection.opened()
    connection.release('answer')
  })
}

function checkPublish(frame: Frame, level: Level): void {
  demandTopic(readPublish(frame, level).topic)
}

function demandTopic(topic: string): void {
  const fault = publishTopicFault(topic)
  if (fault !== undefined) throw new FatalPacket(fault)
}

function checkSubscribe(frame: Frame, level: Level): void {
  checkFilters(readSubscribe(frame, level).subscriptions.map(({ filter }) => filter))
}

function checkUnsubscribe(frame: Frame, level: Level): void {
  checkFilters(readUnsubscribe(frame, level).filters)
}

function checkFilters(filters: readonly string[]): void {
  const bad = filters.find((filter) => !isFilter(filter))
  if (bad !== undefined) throw new FatalPacket('a topic filter that is none [MQTT-4.7.1-2]')
}
