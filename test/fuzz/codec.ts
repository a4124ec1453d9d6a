// What the edge reads from random packets, sound and damaged, held against mqtt-packet: a packet
// that is taken means what it says. Written again by mqtt-packet from the fields that were read, it
// has the same bytes; so nothing in it was passed over, mended, or made up.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  demandEmpty,
  readAuth,
  readConnect,
  readDisconnect,
  readSubscribe,
  readUnsubscribe,
} from '../../broker/edge/client-packets.ts'
import { FatalPacket } from '../../broker/edge/fatal-packet.ts'
import type { Frame } from '../../broker/edge/framer.ts'
import { Framer } from '../../broker/edge/framer.ts'
import { packetType, readPacketId, readPublish } from '../../broker/edge/packets.ts'
import type { Level } from '../../broker/edge/reader.ts'
import { generate } from '../broker/edge/support/properties.ts'
import type { Mutation } from './mutations.ts'
import { mutate, mutation } from './mutations.ts'
import { connectPacket, disconnectPacket, innerPacket, levels } from './packets.ts'
import type { Read } from './reading.ts'
import { demandSound } from './reading.ts'
import { part } from './values.ts'
import { serverWords } from './words.ts'

/** A stream of one client, damaged or not, in pieces. */
export interface Stream {
  readonly level: Level
  readonly packets: readonly Buffer[]
  readonly isSound: boolean
  readonly cuts: readonly number[]
}

export interface Verdict {
  readonly taken: number
  readonly refused: number
}

export const anyStream: fc.Arbitrary<Stream> = fc.constantFrom(...levels).chain((level) =>
  fc
    .record({
      connect: connectPacket(level, serverWords),
      inner: fc.array(innerPacket(level, serverWords), { maxLength: 10, size: 'max' }),
      disconnect: disconnectPacket(level),
      mutations: fc.oneof(
        fc.constant<Mutation[]>([]),
        fc.array(mutation, { minLength: 1, maxLength: 8 }),
      ),
      cuts: fc.array(part, { maxLength: 6 }),
    })
    .map(({ connect, inner, disconnect, mutations, cuts }) => {
      const packets = [connect, ...inner, disconnect].map((it) => generate(it, level))
      const isSound = mutations.length === 0
      return { level, packets: mutate(packets, mutations), isSound, cuts }
    }),
)

/** Reads the stream as a connection does. Throws what the edge did wrong. */
export function readStream({ level, packets, isSound, cuts }: Stream): Verdict {
  const frames = framesOf(Buffer.concat(packets), cuts)
  if (isSound) assert.deepEqual(frames, packets, 'the packets, one by one')
  let taken = 0
  for (const frame of frames) {
    if (takes(frame, level)) taken++
    else assert.ok(!isSound, `refuses a sound packet: ${frame.toString('hex')}`)
  }
  return { taken, refused: frames.length - taken }
}

/** What the framer makes of a stream in pieces, until something ends the connection. */
function framesOf(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const framer = new Framer(0x0f_ff_ff_ff)
  const frames: Buffer[] = []
  let at = 0
  const ends = cuts.map((cut) => Math.floor(cut * stream.length)).sort((a, b) => a - b)
  for (const end of [...ends, stream.length]) {
    framer.push(stream.subarray(at, end))
    at = end
    const more = orRefused(() => {
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
        frames.push(Buffer.from(frame.buffer.subarray(frame.first, frame.end)))
      }
      return true
    })
    if (more === undefined) break
  }
  return frames
}

/** Whether the edge takes a packet, wherever it lies; and if so, holds it to its word. */
function takes(packet: Buffer, level: Level): boolean {
  const [read, ...others] = [0x00, 0x41, 0xff].map((around) => readWithin(packet, level, around))
  for (const other of others) assert.deepEqual(other, read, 'what is around it counts')
  if (read === undefined) return false
  demandSound(packet, read, level)
  return true
}

/** What is read of a packet between bytes of this value; undefined when it is refused. */
function readWithin(packet: Buffer, level: Level, around: number): Read | undefined {
  const lead = Buffer.alloc(7, around)
  const buffer = Buffer.concat([lead, packet, Buffer.alloc(70, around)])
  const start = lead.length + bodyAt(packet)
  const [header = 0] = packet
  const frame = { header, buffer, first: lead.length, start, end: lead.length + packet.length }
  return orRefused(() => read(frame, level))
}

function bodyAt(packet: Buffer): number {
  let at = 1
  while ((packet[at] ?? 0) >= 0x80) at++
  return at + 1
}

function orRefused<Value>(work: () => Value): Value | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof FatalPacket) return undefined
    throw error
  }
}

/** As a connection of the level reads it. */
function read(frame: Frame, level: Level): Read {
  const type = frame.header >> 4
  switch (type) {
    case packetType.connect: {
      const fields = readConnect(frame)
      return typeof fields === 'number' ? { cmd: 'other level' } : { cmd: 'connect', fields }
    }
    case packetType.publish:
      return { cmd: 'publish', fields: readPublish(frame, level) }
    case packetType.puback:
    case packetType.pubrec:
    case packetType.pubrel:
    case packetType.pubcomp:
      return { cmd: 'answer', type, packetId: readPacketId(frame, level) }
    case packetType.subscribe:
      return { cmd: 'subscribe', fields: readSubscribe(frame, level) }
    case packetType.unsubscribe:
      return { cmd: 'unsubscribe', fields: readUnsubscribe(frame, level) }
    case packetType.pingreq:
      demandEmpty(frame)
      return { cmd: 'pingreq' }
    case packetType.disconnect:
      return { cmd: 'disconnect', fields: readDisconnect(frame, level) }
    case packetType.auth:
      return { cmd: 'auth', fields: readAuth(frame) }
    default:
      throw new FatalPacket('not a packet of a client')
  }
}
