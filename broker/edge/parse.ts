// Packets that are rare enough for mqtt-packet's parser: CONNECT, SUBSCRIBE, UNSUBSCRIBE.

import mqtt from 'mqtt-packet'
import { FatalPacket } from './fatal-packet.ts'
import type { Frame } from './framer.ts'

/** The packet of a frame. Throws `FatalPacket` when it breaks the protocol. */
export function parsePacket({ buffer, first, end }: Frame): mqtt.Packet {
  const parser = mqtt.parser()
  let parsed: mqtt.Packet | undefined
  let failure: string | undefined
  parser.on('packet', (packet) => {
    parsed = packet
  })
  parser.on('error', (error) => {
    failure = (error as Error).message
  })
  try {
    parser.parse(buffer.subarray(first, end))
  } catch (error) {
    // Whatever a packet can do to a parser, it does to its own connection only.
    failure = (error as Error).message
  }
  if (failure !== undefined || parsed === undefined) {
    throw new FatalPacket(failure ?? 'a packet that ends too early')
  }
  return parsed
}
