// The simulated Redis: counters that it may forget, or hold an old state of, at any moment.

import { StoreFailure } from '../../../protocol/failure.ts'
import type {
  PositionStore,
  Reservation,
  Sequencer,
} from '../../../services/log/positions/ports.ts'
import type { Caller, Network } from './network.ts'

interface Counter {
  last: number
  readonly epoch: string
}

export interface SimulatedSequencer {
  /** The sequencer as a process sees it. `heads` is how it sees the store. */
  portOf(caller: Caller, heads: PositionStore['heads']): Sequencer
  /** The next reservation of this process is far above the log, as if others had died with those
   * before it; then everything is forgotten. Calls back when that has happened. */
  outlive(caller: Caller, wasted: number, happened: () => void): void
  /** Forgets everything. */
  forget(): void
  /** Remembers the counters as they were when it was told to. */
  remember(): void
  /** Goes back to what it remembers, as a replica does that takes the place of its primary. */
  goBack(): void
  isAway: boolean
}

/** How long a process waits for an answer, ms. */
const timeoutMs = 30

export function makeSequencer(network: Network): SimulatedSequencer {
  let counters = new Map<string, Counter>()
  let remembered = new Map<string, Counter>()
  let lives = 0

  /** Undefined when the counter is not there, and nobody says where it is to begin. */
  const take = (conversation: string, count: number, head: number | undefined) => {
    let counter = counters.get(conversation)
    if (counter === undefined && head === undefined) return undefined
    counter ??= { last: head ?? 0, epoch: `e${++lives}` }
    counters.set(conversation, counter)
    const first = counter.last + 1
    counter.last += count
    return { first, epoch: counter.epoch }
  }

  /** What is to happen to the next reservation. */
  let doom: { readonly caller: Caller; readonly wasted: number; happened(): void } | undefined

  const takeFor = (caller: Caller, conversation: string, count: number) => {
    const counter = counters.get(conversation)
    if (doom?.caller !== caller || counter === undefined)
      return take(conversation, count, undefined)
    counter.last += doom.wasted
    const taken = take(conversation, count, undefined)
    counters = new Map()
    doom.happened()
    doom = undefined
    return taken
  }

  const portOf = (caller: Caller, heads: PositionStore['heads']): Sequencer => {
    const ask = <Result>(work: () => Result): Promise<Result> =>
      network.ask<Result>(caller, timeoutMs, (answer) => {
        if (!sequencer.isAway) answer(work())
      })
    return {
      async reserve(conversation, count): Promise<Reservation> {
        const taken = await ask(() => takeFor(caller, conversation, count))
        if (taken !== undefined) return taken
        const [head] = await heads([conversation])
        const born = await ask(() => take(conversation, count, head))
        if (born === undefined) throw new StoreFailure('there is no counter')
        return born
      },
      raise: (conversation, head) =>
        ask<void>(() => {
          const counter = counters.get(conversation) ?? { last: 0, epoch: `e${++lives}` }
          counters.set(conversation, counter)
          counter.last = Math.max(counter.last, head)
        }),
    }
  }

  const copy = (of: ReadonlyMap<string, Counter>) =>
    new Map([...of].map(([name, counter]) => [name, { ...counter }]))
  const sequencer: SimulatedSequencer = {
    portOf,
    outlive(caller, wasted, happened) {
      doom = { caller, wasted, happened }
    },
    forget() {
      counters = new Map()
    },
    remember() {
      remembered = copy(counters)
    },
    goBack() {
      counters = copy(remembered)
    },
    isAway: false,
  }
  return sequencer
}
