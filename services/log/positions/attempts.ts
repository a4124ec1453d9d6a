// Tries again what could not be done, for a bounded time, and tells whether it works.

import type { Clock } from '../../../protocol/clock.ts'
import { StoreFailure } from '../../../protocol/failure.ts'

export interface AttemptParts {
  readonly clock: Clock
  /** Waits for so many ms. */
  readonly pause: (ms: number) => Promise<void>
  /** Told of every failure that may pass, and of what worked after it. */
  readonly failed: (reason: string) => void
  readonly worked: () => void
}

/** The result of the work, which is tried again while it rejects with `StoreFailure`; at
 * `giveUpAt`, ms since the epoch, that is thrown. Whatever else it throws is thrown at once. */
export type Insist = <Result>(work: () => Promise<Result>, giveUpAt: number) => Promise<Result>

const pauseFirstMs = 20
const pauseMostMs = 500

export function makeInsist({ clock, pause, failed, worked }: AttemptParts): Insist {
  return async (work, giveUpAt) => {
    for (let ms = pauseFirstMs; ; ms = Math.min(2 * ms, pauseMostMs)) {
      try {
        const result = await work()
        worked()
        return result
      } catch (error) {
        if (!(error instanceof StoreFailure)) throw error
        failed(error.message)
        if (clock() + ms >= giveUpAt) throw error
        await pause(ms)
      }
    }
  }
}
