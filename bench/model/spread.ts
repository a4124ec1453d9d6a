// How evenly conversations spread: a simulation with a seed. Conversations are dealt to shards (or
// Redis, by the hash of their id), few of them are busy and most are not, and one may be a giant.

import { createHash } from 'node:crypto'

export interface SpreadOptions {
  readonly conversations: number
  readonly shards: number
  /** How unequal they are: the n-th busiest has a part of 1/n^skew; 0: all the same. */
  readonly skew: number
  /** The part of all messages that the busiest one has besides, from 0 up to 1. */
  readonly giantShare: number
  readonly seed: string
}

export interface Spread {
  /** Load of the busiest shard over the mean. */
  readonly busiest: number
  /** The part of all messages that the busiest conversation has. */
  readonly hottest: number
}

/** Deals the conversations, and weighs the shards. */
export function spread(options: SpreadOptions): Spread {
  const { conversations, shards, skew, giantShare, seed } = options
  const loads = new Float64Array(shards)
  let total = 0
  for (let rank = 1; rank <= conversations; rank++) total += rank ** -skew
  let hottest = 0
  for (let rank = 1; rank <= conversations; rank++) {
    const own = (rank ** -skew / total) * (1 - giantShare) + (rank === 1 ? giantShare : 0)
    hottest = Math.max(hottest, own)
    const shard = hashOf(`${seed}/${rank}`) % shards
    loads[shard] = (loads[shard] as number) + own
  }
  return { busiest: Math.max(...loads) * shards, hottest }
}

/** As the ids of direct conversations are made: by a hash. */
function hashOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0)
}

/** The median over some seeds, and the worst. */
export function spreadOver(
  options: Omit<SpreadOptions, 'seed'>,
  seeds: number,
): { readonly median: Spread; readonly worst: number } {
  const all = Array.from({ length: seeds }, (_, index) => spread({ ...options, seed: `${index}` }))
  all.sort((one, other) => one.busiest - other.busiest)
  return {
    median: all[Math.floor(seeds / 2)] as Spread,
    worst: all.at(-1)?.busiest ?? 0,
  }
}
