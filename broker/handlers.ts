// Which handler takes which packet. What is not chat goes on to aedes.

import { handlePuback } from './acknowledge.ts'
import { handleConnect } from './connect.ts'
import type { Connection, PacketHandler } from './connection.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import { packetType } from './edge/packets.ts'
import { handlePubrel } from './exactly-once.ts'
import { handlePublish } from './publish.ts'
import { handleSubscribe, handleUnsubscribe } from './subscribe.ts'

const toAedes: PacketHandler = (connection, frame) => {
  if (connection.aedesStream?.give(frame) === false) connection.hold('aedes')
}

/** Handlers by control packet type, for connected clients. A type without one is a packet that only
 * servers send, or no packet at all. */
const handlers: readonly (PacketHandler | undefined)[] = Object.assign(new Array(16), {
  [packetType.publish]: handlePublish,
  [packetType.puback]: handlePuback,
  [packetType.pubrel]: handlePubrel,
  [packetType.subscribe]: handleSubscribe,
  [packetType.unsubscribe]: handleUnsubscribe,
  [packetType.pingreq]: toAedes,
  [packetType.disconnect]: handleDisconnect,
})

/** Takes one packet of a client. Throws `FatalPacket` when it ends the connection. */
export function handlePacket(connection: Connection, frame: Frame): void {
  const type = frame.header >> 4
  if (connection.state === 'awaitingConnect') {
    if (type === packetType.connect) return handleConnect(connection, frame)
    throw new FatalPacket('a packet before CONNECT [MQTT-3.1.0-1]')
  }
  const handle = handlers[type]
  // A second CONNECT is one of these [MQTT-3.1.0-2].
  if (handle === undefined) throw new FatalPacket(`a packet of type ${type} from a client`)
  handle(connection, frame)
}

/** DISCONNECT: aedes forgets the will, and closes the connection [MQTT-3.14.4-1]. */
function handleDisconnect(connection: Connection, frame: Frame): void {
  connection.hold('shutdown')
  if (connection.aedesStream) connection.aedesStream.give(frame)
  else connection.close('the client disconnected')
}
