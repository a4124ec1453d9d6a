// Which handler takes which packet of a client that is connected, or about to be.

import { reasonCode } from '../protocol/reasons.ts'
import { handlePuback } from './acknowledge.ts'
import { handleConnect } from './connect.ts'
import type { Connection, PacketHandler } from './connection.ts'
import { handleDisconnect } from './disconnect.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import { packetType, readPacketId } from './edge/packets.ts'
import { handlePubrel } from './exactly-once.ts'
import { handlePingreq } from './ping.ts'
import { givePubrel, handlePlainAnswer, isPlainAnswer } from './plain/packets.ts'
import { handlePublish } from './publish.ts'
import { handleSubscribe, handleUnsubscribe } from './subscribe.ts'

/** Handlers by control packet type, for connected clients. A type without one is a packet that only
 * servers send, or no packet at all. */
const handlers: readonly (PacketHandler | undefined)[] = Object.assign(new Array(16), {
  [packetType.publish]: handlePublish,
  [packetType.puback]: handleEitherPuback,
  [packetType.pubrec]: handlePlainAnswer,
  [packetType.pubrel]: handleEitherPubrel,
  [packetType.pubcomp]: handlePlainAnswer,
  [packetType.subscribe]: handleSubscribe,
  [packetType.unsubscribe]: handleUnsubscribe,
  [packetType.pingreq]: handlePingreq,
  [packetType.disconnect]: handleDisconnect,
  [packetType.auth]: refuseAuth,
})

/** Takes one packet of a client. Throws `FatalPacket` when it ends the connection. */
export function handlePacket(connection: Connection, frame: Frame): void {
  const type = frame.header >> 4
  if (connection.state === 'awaitingConnect') {
    if (type === packetType.connect) return handleConnect(connection, frame)
    throw new FatalPacket('a packet before CONNECT [MQTT-3.1.0-1]', reasonCode.protocolError)
  }
  const handle = handlers[type]
  // A second CONNECT is one of these [MQTT-3.1.0-2].
  if (handle === undefined) {
    throw new FatalPacket(`a packet of type ${type} from a client`, reasonCode.protocolError)
  }
  handle(connection, frame)
}

/** AUTH is for clients that authenticate by a method, and no method is known here. */
function refuseAuth({ level }: Connection): void {
  const reason = level === 5 ? reasonCode.protocolError : reasonCode.malformedPacket
  throw new FatalPacket('AUTH without a method [MQTT5-4.12.0-6]', reason)
}

function handleEitherPuback(connection: Connection, frame: Frame): void {
  if (!isPlainAnswer(connection, frame)) handlePuback(connection, frame)
}

/** What chat does not know of is aedes': it answers ids that nobody knows, too. */
function handleEitherPubrel(connection: Connection, frame: Frame): void {
  const packetId = readPacketId(frame, connection.level)
  const isPlain = connection.plain !== undefined && !connection.receivedQos2.has(packetId)
  if (isPlain) givePubrel(connection, packetId)
  else handlePubrel(connection, packetId)
}
