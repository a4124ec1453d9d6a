// Positions without a sequencer: the log itself says where it ends. Slower, and two who write at
// once meet and take turns, but nothing stops because Redis is away.

import type { Clock } from '../../../protocol/clock.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import type { PositionStore, Sequencer } from './ports.ts'

/** The positions after the log's head. */
export function makeStoreSequencer({ head }: Pick<PositionStore, 'head'>): Sequencer {
  return {
    reserve: async (conversation) => ({ first: (await head(conversation)) + 1, epoch: 'store' }),
    // The log is where it is.
    raise: async () => {},
  }
}

interface FallbackParts {
  readonly first: Sequencer
  /** Asked while the first cannot be. */
  readonly second: Sequencer
  readonly clock: Clock
}

export interface FallbackSequencer extends Sequencer {
  /** Whether the first one failed when it was asked last, a short while ago: when nobody publishes
   * nobody asks it, and it may work again. */
  isFallenBack(): boolean
}

/** Longer than it takes to ask the first one in vain, and to pause. */
const rememberedMs = 10_000

/** Asks the second sequencer when the first fails, and the first again after `pauseMs`. */
export function makeFallbackSequencer(
  { first, second, clock }: FallbackParts,
  { pauseMs }: { readonly pauseMs: number },
): FallbackSequencer {
  let failedAt: number | undefined
  const ask = async <Result>(work: (sequencer: Sequencer) => Promise<Result>) => {
    if (failedAt !== undefined && clock() - failedAt < pauseMs) return work(second)
    try {
      const result = await work(first)
      failedAt = undefined
      return result
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error
      failedAt = clock()
      return work(second)
    }
  }
  return {
    reserve: (conversation, count) => ask((sequencer) => sequencer.reserve(conversation, count)),
    raise: (conversation, head) => ask((sequencer) => sequencer.raise(conversation, head)),
    isFallenBack: () => failedAt !== undefined && clock() - failedAt < rememberedMs,
  }
}
