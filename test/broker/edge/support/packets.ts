// Random MQTT packets as mqtt-packet writes them, for the tests of what the edge reads and writes.

import fc from 'fast-check'
import mqtt from 'mqtt-packet'
import { FatalPacket } from '../../../../broker/edge/fatal-packet.ts'
import { Framer } from '../../../../broker/edge/framer.ts'

export const packetId = fc.integer({ min: 1, max: 65_535 })

/** Topics of valid UTF-8, also long ones and ones with characters of four bytes. */
export const anyTopic = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 200 })
  .map((text) => Buffer.from(text.replaceAll(/[+#\0]/g, '')).toString())
  .filter((text) => text !== '')

/** Payloads of all sizes, with those around the steps of the remaining length. */
const anyPayload = fc.oneof(
  { weight: 5, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(100, 120, 127, 128, 16_370, 16_383, 16_384, 70_000)
      .chain((size) => fc.integer({ min: size - 12, max: size + 2 }))
      .map((size) => Buffer.alloc(size, 'x')),
  },
)

export const anyPublish: fc.Arbitrary<mqtt.IPublishPacket> = fc
  .record({
    topic: anyTopic,
    payload: anyPayload,
    qos: fc.constantFrom(0, 1, 2),
    dup: fc.boolean(),
    retain: fc.boolean(),
    messageId: packetId,
  })
  .map(({ messageId, dup, ...packet }) => {
    const numbered = packet.qos === 0 ? { dup: false } : { dup, messageId }
    return { cmd: 'publish', ...packet, ...numbered } as mqtt.IPublishPacket
  })

const acknowledgement = fc.record({
  cmd: fc.constantFrom('puback', 'pubrec', 'pubrel', 'pubcomp', 'unsuback'),
  messageId: packetId,
})
const bare = fc.record({ cmd: fc.constantFrom('pingreq', 'pingresp', 'disconnect') })
const subscribe = fc.record({
  cmd: fc.constant('subscribe'),
  messageId: packetId,
  subscriptions: fc.array(fc.record({ topic: anyTopic, qos: fc.constantFrom(0, 1, 2) }), {
    minLength: 1,
    maxLength: 5,
  }),
})
const suback = fc.record({
  cmd: fc.constant('suback'),
  messageId: packetId,
  granted: fc.array(fc.constantFrom(0, 1, 128), { minLength: 1, maxLength: 200 }),
})

/** Any packet, as bytes. */
export const anyPacket: fc.Arbitrary<Buffer> = fc
  .oneof(anyPublish, anyPublish, acknowledgement, bare, subscribe, suback)
  .map((packet) => mqtt.generate(packet as mqtt.Packet))

/** What mqtt-packet makes of bytes. */
export function parseAll(bytes: Buffer, level: 4 | 5 = 4): mqtt.Packet[] {
  const parser = mqtt.parser({ protocolVersion: level })
  const packets: mqtt.Packet[] = []
  parser.on('packet', (packet) => packets.push(packet))
  parser.on('error', (error) => {
    throw error
  })
  parser.parse(bytes)
  return packets
}

/** The only frame of a packet. */
export function frameOf(bytes: Buffer) {
  const framer = new Framer(0x0f_ff_ff_ff)
  framer.push(bytes)
  const frame = framer.next()
  if (frame === undefined) throw new Error('not a whole packet')
  return frame
}

/** What a reader makes of a packet; undefined when it ends the connection. Anything else it throws
 * is a failure. */
export function orFatal<Read>(read: () => Read): Read | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof FatalPacket) return undefined
    throw error
  }
}
