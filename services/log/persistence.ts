// Tries store work again while the store fails, for a bounded time, and knows whether the store
// works. Knows no publishers.

import type { Clock } from '../../protocol/clock.ts'
import { StoreFailure } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'

export interface Persistence {
  /** What the work resolves with. While it rejects with `StoreFailure` it is tried again; at
   * `giveUpAt` (ms since the epoch) that failure is thrown, and nothing was stored. Whatever else
   * the work throws is thrown at once: that is a bug. */
  attempt<Result>(work: () => Promise<Result>, giveUpAt: number): Promise<Result>
  /** Why the last attempt failed; undefined when it did not. */
  failure(): string | undefined
  /** Whether attempts are under way. */
  busy(): boolean
  /** The store was seen to work, or to fail, otherwise than by an attempt. */
  worked(): void
  failed(reason: string): void
}

const retryFirstMs = 50
const retryMostMs = 1000

interface PersistenceParts {
  readonly clock: Clock
  readonly logger: Logger
}

export function makePersistence({ clock, logger }: PersistenceParts): Persistence {
  let failure: { readonly reason: string; readonly since: number } | undefined
  let attempts = 0

  const failed = (reason: string) => {
    if (failure === undefined) logger.error({ reason }, 'the store fails; publishes wait')
    failure = { reason, since: failure?.since ?? clock() }
  }
  const worked = () => {
    if (failure === undefined) return
    logger.info({ forMs: clock() - failure.since }, 'the store works again')
    failure = undefined
  }
  const tryUntil = async <Result>(work: () => Promise<Result>, giveUpAt: number) => {
    for (let delay = retryFirstMs; ; delay = Math.min(delay * 2, retryMostMs)) {
      try {
        const result = await work()
        worked()
        return result
      } catch (error) {
        if (!(error instanceof StoreFailure)) throw error
        failed(error.message)
        if (clock() >= giveUpAt) throw error
        await new Promise((resolve) => setTimeout(resolve, delay))
      }
    }
  }

  return {
    async attempt(work, giveUpAt) {
      attempts++
      try {
        return await tryUntil(work, giveUpAt)
      } finally {
        attempts--
      }
    },
    failure: () => failure?.reason,
    busy: () => attempts > 0,
    worked,
    failed,
  }
}
