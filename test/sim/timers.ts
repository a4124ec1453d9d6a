// Time that moves only when a history moves it: stands in for the global timers while a history
// runs. setImmediate, nextTick and promises stay as they are.

/** What `setTimeout` and `setInterval` return meanwhile. */
class FakeTimer {
  readonly callback: (...values: unknown[]) => void
  readonly values: readonly unknown[]
  /** When it is due, ms. */
  at: number
  /** 0 for a timer that runs once. */
  readonly everyMs: number

  constructor(
    callback: FakeTimer['callback'],
    values: readonly unknown[],
    times: { readonly at: number; readonly everyMs: number },
  ) {
    this.callback = callback
    this.values = values
    this.at = times.at
    this.everyMs = times.everyMs
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return false
  }
}

export interface Timers {
  /** ms since the epoch. */
  now(): number
  /** Lets so much time pass: runs what is due, in order. */
  advance(ms: number): void
  /** Forgets all timers, as the end of a process does. */
  clear(): void
  /** Gives the global timers back. */
  restore(): void
}

interface TimersOptions {
  /** Intervals of this length never run, ms. */
  readonly without?: number | undefined
}

const begin = Date.UTC(2026, 0, 1)

/** Takes the place of the global timers until `restore`. */
export function installTimers({ without }: TimersOptions = {}): Timers {
  const real = {
    setTimeout: globalThis.setTimeout,
    setInterval: globalThis.setInterval,
    clearTimeout: globalThis.clearTimeout,
    clearInterval: globalThis.clearInterval,
  }
  const timers = new Set<FakeTimer>()
  let now = begin

  const add = (isRepeated: boolean) => {
    return (callback: FakeTimer['callback'], ms = 0, ...values: unknown[]) => {
      const delay = Math.max(1, ms)
      const everyMs = isRepeated ? delay : 0
      const timer = new FakeTimer(callback, values, { at: now + delay, everyMs })
      if (!isRepeated || ms !== without) timers.add(timer)
      return timer
    }
  }
  const remove = (timer: unknown) => {
    if (timer instanceof FakeTimer) timers.delete(timer)
    else real.clearTimeout(timer as NodeJS.Timeout)
  }
  Object.assign(globalThis, {
    setTimeout: add(false),
    setInterval: add(true),
    clearTimeout: remove,
    clearInterval: remove,
  })

  const nextDue = (end: number): FakeTimer | undefined => {
    let due: FakeTimer | undefined
    for (const timer of timers) {
      if (timer.at <= end && (due === undefined || timer.at < due.at)) due = timer
    }
    return due
  }

  return {
    now: () => now,
    advance(ms) {
      const end = now + ms
      for (let due = nextDue(end); due !== undefined; due = nextDue(end)) {
        now = due.at
        if (due.everyMs > 0) due.at += due.everyMs
        else timers.delete(due)
        due.callback(...due.values)
      }
      now = end
    },
    clear: () => timers.clear(),
    restore: () => void Object.assign(globalThis, real),
  }
}
