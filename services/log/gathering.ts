// How long a commit waits for company. A commit costs the same for one message as for twenty, so
// under a steady trickle it pays to let some gather; alone, a message must not wait for nobody.

import type { Clock } from '../../protocol/clock.ts'

export interface Gathering {
  /** Resolves when the batch should be committed: at once when enough wait or when company is not
   * to be expected; otherwise so that its oldest message, which came at `oldest` (ms since the
   * epoch), is answered `gatherMs` later, if the commit takes as long as those before it. `waiting`
   * says how many wait. */
  wait(waiting: () => number, oldest: number): Promise<void>
  /** Tells that the commit is done. */
  committed(): void
}

/** From here on the cost of a commit is shared well enough. */
const enough = 32
/** How often it is looked whether messages keep coming, ms. */
const pauseMs = 2
/** Most commits without waiting after waits that were in vain. */
const skipsMax = 256
/** What one commit counts for in the expectation of the next. */
const newest = 1 / 8

/** Makes the rule: it waits as long as messages keep coming, until the oldest is about to be late
 * (`gatherMs` 0: never), and a little in any case. What came while the commit before was under
 * way has waited already, and on a slow disk less is left to wait. After a wait in which nothing
 * came it lets 1, 2, 4, … commits pass without waiting: so a single publisher that waits for
 * each answer loses next to nothing. */
export function makeGathering(gatherMs: number, clock: Clock): Gathering {
  let inVain = 0
  let skips = 0
  /** How long a commit is expected to take. */
  let commitMs = 0
  let begunAt = 0

  const gather = async (waiting: () => number, oldest: number) => {
    const before = waiting()
    if (before >= enough) return
    if (skips > 0) {
      skips--
      return
    }
    const least = clock() + Math.min(pauseMs, gatherMs)
    const until = Math.max(oldest + gatherMs - commitMs, least)
    for (let left = until - clock(); left >= 1; left = until - clock()) {
      const last = waiting()
      await new Promise((resolve) => setTimeout(resolve, Math.min(left, pauseMs)))
      const now = waiting()
      if (now === last || now >= enough) break
    }
    inVain = waiting() > before ? 0 : Math.min(inVain * 2 + 1, skipsMax)
    skips = inVain
  }

  return {
    async wait(waiting, oldest) {
      if (gatherMs > 0) await gather(waiting, oldest)
      begunAt = clock()
    },
    committed() {
      commitMs += (clock() - begunAt - commitMs) * newest
    },
  }
}
