// Fairness: spreads catch-up reads over the turns of the event loop, so that a thousand devices
// that come back at once do not keep everybody else waiting.

/** Resolves when it is the caller's turn: at once for the first few in a turn of the event loop, in
 * a later turn, first come first served, for the others. */
export type Turns = () => Promise<void>

/** Makes turns of `perTurn` callers. The queue is bounded by the number of callers: each session
 * waits at most once. */
export function makeTurns(perTurn: number): Turns {
  let waiting: (() => void)[] = []
  let taken = 0
  let scheduled = false

  const next = () => {
    const served = waiting.slice(0, perTurn)
    waiting = waiting.slice(perTurn)
    taken = served.length
    scheduled = served.length > 0
    if (scheduled) setImmediate(next)
    for (const serve of served) serve()
  }

  return () => {
    if (!scheduled) {
      scheduled = true
      setImmediate(next)
    }
    if (taken < perTurn && waiting.length === 0) {
      taken++
      return Promise.resolve()
    }
    return new Promise((resolve) => waiting.push(resolve))
  }
}
