// Simulated time: what is to happen lies in a heap, and each step takes the next of it. The global
// timers lie there too while a history runs, so that the real code lives in this time.

export interface Time {
  /** ms since the epoch. */
  now(): number
  /** Does the work so many ms later. */
  at(ms: number, work: () => void): void
  /** Steps that were made. */
  steps(): number
  /** Makes steps until nothing is left, or until `isOver` says so. */
  run(isOver: () => boolean): Promise<void>
  /** Gives the global timers back. */
  restore(): void
}

interface Happening {
  readonly at: number
  /** Of what is due at the same time, what was asked for first comes first. */
  readonly order: number
  work: (() => void) | undefined
}

const begin = Date.UTC(2026, 0, 1)
const real = {
  setTimeout: globalThis.setTimeout,
  setInterval: globalThis.setInterval,
  setImmediate: globalThis.setImmediate,
  clearTimeout: globalThis.clearTimeout,
  clearInterval: globalThis.clearInterval,
}
/** Until all promises that can go on have done so. */
const quiet = () => new Promise((resolve) => real.setImmediate(resolve))

/** Takes the place of the global timers until `restore`. */
export function installTime(): Time {
  const heap: Happening[] = []
  let now = begin
  let order = 0
  let steps = 0

  const add = (ms: number, work: () => void): Happening => {
    const happening = { at: now + ms, order: order++, work }
    push(heap, happening)
    return happening
  }
  const cancel = (timer: unknown) => {
    if (isHappening(timer)) timer.work = undefined
    else real.clearTimeout(timer as NodeJS.Timeout)
  }
  type Callback = (...values: unknown[]) => void
  const timeout = (callback: Callback, ms = 0, ...values: unknown[]) =>
    add(Math.max(1, ms), () => callback(...values))
  const immediate = (callback: Callback, ...values: unknown[]) => add(0, () => callback(...values))
  Object.assign(globalThis, {
    setTimeout: timeout,
    setImmediate: immediate,
    clearTimeout: cancel,
    clearInterval: cancel,
    setInterval: () => {
      throw new Error('no intervals in a history')
    },
  })

  return {
    now: () => now,
    at: (ms, work) => void add(ms, work),
    steps: () => steps,
    async run(isOver) {
      for (let next = pop(heap); next !== undefined && !isOver(); next = pop(heap)) {
        if (next.work === undefined) continue
        now = next.at
        steps++
        next.work()
        await quiet()
      }
    },
    restore: () => void Object.assign(globalThis, real),
  }
}

function isHappening(timer: unknown): timer is Happening {
  return typeof timer === 'object' && timer !== null && 'order' in timer && 'work' in timer
}

function isBefore(one: Happening, other: Happening): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}

function push(heap: Happening[], added: Happening): void {
  let place = heap.push(added) - 1
  while (place > 0) {
    const above = (place - 1) >> 1
    const parent = heap[above] as Happening
    if (!isBefore(added, parent)) break
    heap[place] = parent
    place = above
  }
  heap[place] = added
}

function pop(heap: Happening[]): Happening | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (first === undefined || last === undefined || heap.length === 0) return first
  let place = 0
  for (;;) {
    let below = 2 * place + 1
    const left = heap[below]
    if (left === undefined) break
    const right = heap[below + 1]
    const smaller = right !== undefined && isBefore(right, left) ? right : left
    if (smaller === right) below++
    if (!isBefore(smaller, last)) break
    heap[place] = smaller
    place = below
  }
  heap[place] = last
  return first
}
