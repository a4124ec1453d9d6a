// How long a commit waits for company. A commit costs the same for one message as for ten, so under
// a steady trickle it pays to let some gather; alone, a message must not wait for nobody.

export interface Gathering {
  /** Resolves when the batch should be committed: at once when enough wait or when company is not
   * to be expected, within `gatherMs` otherwise. `waiting` says how many wait. */
  wait(waiting: () => number): Promise<void>
}

/** From here on the cost of a commit is shared well enough. */
const enough = 32
/** A timer of Node cannot be shorter. */
const pauseMs = 1
/** Most commits without waiting after waits that were in vain. */
const skipsMax = 256

/** Makes the rule: it waits as long as messages keep coming, `gatherMs` at most (0: never). After a
 * wait in which nothing came it lets 1, 2, 4, … commits pass without waiting: so a single publisher
 * that waits for each answer loses next to nothing. */
export function makeGathering(gatherMs: number): Gathering {
  let inVain = 0
  let skips = 0

  return {
    async wait(waiting) {
      const before = waiting()
      if (gatherMs === 0 || before >= enough) return
      if (skips > 0) {
        skips--
        return
      }
      for (let waitedMs = 0; waitedMs < gatherMs; waitedMs += pauseMs) {
        const last = waiting()
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
        const now = waiting()
        if (now === last || now >= enough) break
      }
      inVain = waiting() > before ? 0 : Math.min(inVain * 2 + 1, skipsMax)
      skips = inVain
    },
  }
}
