// QoS 2 publishes: a packet id stands for one message from its PUBLISH to its PUBREL.

import type { Connection } from './connection.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import { packetType, readPacketId, writeAcknowledgement } from './edge/packets.ts'

const qos2Max = 1000

/** A QoS 2 packet id that is under way already: its message is not stored again [MQTT-4.3.3-2]. */
export function isRepeated(connection: Connection, packetId: number): boolean {
  const state = connection.receivedQos2.get(packetId)
  if (state === 'received') {
    connection.write(writeAcknowledgement(packetType.pubrec, packetId))
  }
  if (state === undefined && connection.receivedQos2.size >= qos2Max) {
    throw new FatalPacket(`more than ${qos2Max} QoS 2 messages without PUBREL`)
  }
  return state !== undefined
}

/** PUBREL: the packet id is free again. Answered also when it is unknown [MQTT-3.7.2]. */
export function handlePubrel(connection: Connection, frame: Frame): void {
  const packetId = readPacketId(frame)
  // The flags of a PUBREL are 0010 [MQTT-3.6.1-1].
  if (!packetId || (frame.header & 0x0f) !== 2) throw new FatalPacket('a malformed PUBREL')
  connection.receivedQos2.delete(packetId)
  connection.write(writeAcknowledgement(packetType.pubcomp, packetId))
}
