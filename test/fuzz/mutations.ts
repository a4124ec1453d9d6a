// Damage to a stream of packets: bits, bytes, lengths and whole packets, changed, added, lost, put
// in another order. Values, so that a seed says what was done.

import fc from 'fast-check'
import { part } from './values.ts'

/** One piece of damage. Positions are parts of a whole, 0 to 1, so that they fit any stream. */
export interface Mutation {
  readonly kind: (typeof kinds)[number]
  /** Which packet. */
  readonly packet: number
  /** Where in it. */
  readonly at: number
  readonly value: number
  /** Whether the remaining length is made true again. */
  readonly refit: boolean
}

const kinds = [
  ...(['bit', 'byte', 'header', 'insert', 'delete', 'repeat', 'length', 'field'] as const),
  ...(['truncate', 'drop', 'twice', 'swap'] as const),
]

export const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom(...kinds),
  packet: part,
  // Most of what matters is at the beginning.
  at: fc.oneof(
    part,
    part.map((it) => it * it * it),
  ),
  value: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xc0, 0xff), fc.nat(255)),
  refit: fc.boolean(),
})

/** Applies damage to packets, in order; the packets given are not changed. */
export function mutate(packets: readonly Buffer[], mutations: readonly Mutation[]): Buffer[] {
  const result = [...packets]
  for (const mutation of mutations) {
    const index = Math.floor(mutation.packet * result.length)
    const packet = result[index]
    if (packet === undefined || packet.length === 0) continue
    result.splice(index, 1, ...changed(packet, mutation))
    if (mutation.kind === 'swap') {
      const [moved] = result.splice(index, 1)
      if (moved !== undefined) result.splice(index + 1, 0, moved)
    }
  }
  return result
}

/** What stands in the place of the packet. */
function changed(packet: Buffer, mutation: Mutation): Buffer[] {
  if (mutation.kind === 'drop') return []
  if (mutation.kind === 'twice') return [packet, packet]
  const damaged = damage(packet, mutation)
  return [mutation.refit && mutation.kind !== 'length' ? refit(damaged) : damaged]
}

function damage(packet: Buffer, { kind, at, value }: Mutation): Buffer {
  const index = Math.floor(at * packet.length)
  const before = packet.subarray(0, index)
  const after = packet.subarray(index)
  switch (kind) {
    case 'bit':
      return Buffer.concat([
        before,
        Buffer.of((after[0] ?? 0) ^ (1 << (value & 7))),
        after.subarray(1),
      ])
    case 'byte':
      return Buffer.concat([before, Buffer.of(value), after.subarray(1)])
    case 'header':
      return Buffer.concat([Buffer.of(value), packet.subarray(1)])
    case 'insert':
      return Buffer.concat([before, Buffer.alloc(1 + (value & 15), value), after])
    case 'delete':
      return Buffer.concat([before, after.subarray(1 + (value & 7))])
    case 'repeat':
      return Buffer.concat([before, after.subarray(0, value), after])
    case 'length':
      return Buffer.concat([packet.subarray(0, 1), Buffer.of(value), packet.subarray(2)])
    case 'field':
      return Buffer.concat([before, Buffer.of(value, ~value & 0xff), after.subarray(2)])
    case 'truncate':
      return before
    default:
      return packet
  }
}

/** The same body under a remaining length that is true. */
function refit(packet: Buffer): Buffer {
  let bodyAt = 1
  while (bodyAt < Math.min(packet.length, 4) && (packet[bodyAt] ?? 0) >= 0x80) bodyAt++
  const body = packet.subarray(bodyAt + 1)
  const length: number[] = []
  let left = body.length
  for (; left >= 0x80; left >>= 7) length.push((left & 0x7f) | 0x80)
  return Buffer.concat([packet.subarray(0, 1), Buffer.of(...length, left), body])
}
