// The pace of receipts: what was asked for is done together, an interval later.

/** Work that is done some time after it was asked for, once for all who asked meanwhile. */
export interface Tick {
  ask(): void
  /** Nothing is done after this. */
  close(): void
}

/** Makes a tick; between two runs of `work` there are at least `intervalMs`. */
export function makeTick(work: () => void, intervalMs: number): Tick {
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  const run = () => {
    timer = undefined
    work()
  }
  return {
    ask() {
      if (isClosed || timer !== undefined) return
      timer = setTimeout(run, intervalMs)
      timer.unref()
    },
    close() {
      isClosed = true
      clearTimeout(timer)
    },
  }
}
