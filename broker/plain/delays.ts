// Work that is to be done later, one piece for each key, unless it is called off before.

export interface Delays {
  /** Does the work after `ms`, in place of other work of the key; at once when there is no room. */
  set(key: string, ms: number, work: () => void): void
  /** The work will not be done. */
  cancel(key: string): void
  /** Does the work of the key at once, if there is any. */
  hasten(key: string): void
  /** Calls everything off. */
  close(): void
}

/** The longest a timer of Node.js takes. */
const delayMsMax = 2 ** 31 - 1

interface Piece {
  readonly timer: NodeJS.Timeout
  readonly work: () => void
}

/** `max`: how many pieces may wait. */
export function makeDelays(max: number): Delays {
  const waiting = new Map<string, Piece>()

  const take = (key: string): Piece | undefined => {
    const piece = waiting.get(key)
    if (piece === undefined) return undefined
    clearTimeout(piece.timer)
    waiting.delete(key)
    return piece
  }

  const hasten = (key: string) => take(key)?.work()

  const set = (key: string, ms: number, work: () => void) => {
    take(key)
    if (waiting.size >= max) return work()
    const due = () => (ms > delayMsMax ? set(key, ms - delayMsMax, work) : hasten(key))
    const timer = setTimeout(due, Math.min(ms, delayMsMax))
    timer.unref()
    waiting.set(key, { timer, work })
  }

  return {
    set,
    cancel: (key) => void take(key),
    hasten,
    close() {
      for (const key of [...waiting.keys()]) take(key)
    },
  }
}
