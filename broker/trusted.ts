// The trusted mode: aedes alone, behind the framing and the strictness of the edge. For conformance
// suites and load tests on a private network: any client id, any topic, no token, no chat.

import type { IConnectPacket } from 'mqtt-packet'
import { isFilter } from '../protocol/filters.ts'
import { publishTopicFault } from '../protocol/topics.ts'
import { readConnect, refuseClientId } from './connect.ts'
import type { Connection, PacketHandler } from './connection.ts'
import { handleDisconnect } from './disconnect.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import { packetType, readPacketId, readPublish } from './edge/packets.ts'
import { readPubrel } from './exactly-once.ts'
import { handlePingreq } from './ping.ts'
import { givePlain, introduce } from './plain-packets.ts'
import { parseSubscribe, parseUnsubscribe } from './subscribe.ts'

/** What must hold of a packet before aedes gets it, by control packet type. */
const checks: readonly ((frame: Frame) => void)[] = Object.assign(new Array(16), {
  [packetType.publish]: checkPublish,
  [packetType.puback]: checkAnswer,
  [packetType.pubrec]: checkAnswer,
  [packetType.pubrel]: readPubrel,
  [packetType.pubcomp]: checkAnswer,
  [packetType.subscribe]: checkSubscribe,
  [packetType.unsubscribe]: checkUnsubscribe,
})

const give: PacketHandler = (connection, frame) => {
  const type = frame.header >> 4
  const check = checks[type]
  if (check === undefined) throw new FatalPacket(`a packet of type ${type} from a client`)
  check(frame)
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
  const packet = readConnect(connection, frame)
  if (packet === undefined) return
  const clientId = clientIdOf(packet, connection.context.randomId)
  if (clientId === undefined) return refuseClientId(connection)
  connection.state = 'connecting'
  connection.hold('answer')
  connection.silenceMsMax = (packet.keepalive ?? 0) * 1500
  const plain = introduce(connection, {
    clientId,
    clean: packet.clean ?? true,
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

/** A client without an id gets one, unless it wants to come back [MQTT-3.1.3-8]. */
function clientIdOf({ clientId, clean }: IConnectPacket, randomId: () => string) {
  if (clientId !== '') return clientId
  return clean ? `auto-${randomId()}` : undefined
}

function checkPublish(frame: Frame): void {
  const packet = readPublish(frame)
  if (typeof packet === 'string') throw new FatalPacket(packet)
  const fault = publishTopicFault(packet.topic)
  if (fault !== undefined) throw new FatalPacket(fault)
}

function checkAnswer(frame: Frame): void {
  if (!readPacketId(frame) || (frame.header & 0x0f) !== 0) {
    throw new FatalPacket('a malformed answer to a PUBLISH')
  }
}

function checkSubscribe(frame: Frame): void {
  checkFilters(parseSubscribe(frame).subscriptions.map(({ topic }) => topic))
}

function checkUnsubscribe(frame: Frame): void {
  checkFilters(parseUnsubscribe(frame).unsubscriptions)
}

function checkFilters(filters: readonly string[]): void {
  const bad = filters.find((filter) => !isFilter(filter))
  if (bad !== undefined) throw new FatalPacket('a topic filter that is none [MQTT-4.7.1-2]')
}
