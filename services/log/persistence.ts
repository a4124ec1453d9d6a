// Tries store work again while the store fails, for a bounded time, and knows whether the store
// works. Knows no publishers.

import type { Clock } from '../../protocol/clock.ts'
import { StoreFailure } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'

export interface Persistence {
  /** What the work resolves with. While it rejects with `StoreFailure` it is tried again; at
   * `giveUpAt` (ms since the epoch) that failure is thrown, and nothing was stored. Whatever else
   * the work throws is thrown at once: that is a bug. A store that has not answered a second after
   * `giveUpAt` is given up with a `StoreFailure` too; then the work may still be done, unheard. */
  attempt<Result>(work: () => Promise<Result>, giveUpAt: number): Promise<Result>
  /** As `attempt`, but waits for an answer as long as it takes: for who must not go on before it is
   * known what became of the work. */
  insist<Result>(work: () => Promise<Result>, giveUpAt: number): Promise<Result>
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
/** How much longer than it is waited for a failing store one may take to answer, ms. */
export const graceMs = 1000

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

  const insist: Persistence['insist'] = async (work, giveUpAt) => {
    attempts++
    try {
      return await tryUntil(work, giveUpAt)
    } finally {
      attempts--
    }
  }

  return {
    attempt: (work, giveUpAt) =>
      insist(() => answerWithin(work, Math.max(0, giveUpAt - clock()) + graceMs), giveUpAt),
    insist,
    failure: () => failure?.reason,
    busy: () => attempts > 0,
    worked,
    failed,
  }
}

/** The answer to the work; a `StoreFailure` when there is none so many ms later. */
function answerWithin<Result>(work: () => Promise<Result>, ms: number): Promise<Result> {
  const answer = work()
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(new StoreFailure('the store does not answer'))
    const timer = setTimeout(giveUp, ms)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
