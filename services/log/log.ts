// The log: the one room both lanes meet in. It collects publishes into batches, commits each
// batch as one transaction (group commit), answers every publish after its commit and announces
// the entry. It never answers before the store has committed, and never reorders.

import type { Clock } from '../../protocol/clock.ts'
import type { Entry, NewEntry } from '../../protocol/entry.ts'
import { StoreFailure } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'
import { Histogram } from '../metrics/histogram.ts'
import { makeGathering } from './gathering.ts'
import type { Persistence } from './persistence.ts'
import { graceMs, makePersistence } from './persistence.ts'
import type { AppendOutcome, AppendResult, LogStore, NewMessage } from './ports.ts'
import { makeRoomWaiters } from './room-waiters.ts'

/** A publish waiting for its commit. An object rather than a promise or a closure, because one is
 * made for every message. */
export interface AppendRequest extends NewMessage {
  /** Whether its sender was told that an earlier message failed, and will send all again: storing
   * this one now would put it before that one. */
  isAbandoned(): boolean
  /** Called exactly once, in the order of `append`, before the entry is announced. */
  settled(result: AppendResult): void
}

export interface LogOptions {
  /** Most requests, and most bytes of content, that wait; above either `hasRoom()` is false. */
  readonly queueMax: number
  readonly queueBytesMax: number
  /** Most entries of one transaction. */
  readonly batchMax: number
  /** Within what time a request should be answered while others keep coming, ms: a commit waits for
   * them until then; see `Gathering`. */
  readonly gatherMs: number
  /** How long a request waits for a failing store before it fails, ms. */
  readonly waitMs: number
}

export interface LogParts {
  readonly store: LogStore
  readonly clock: Clock
  readonly logger: Logger
  /** Told of every stored entry, after its publisher was answered. Must not throw. */
  readonly announce: (entry: Entry) => void
}

export interface Log {
  /** Queues a request. Ask `hasRoom` first: the bound is the caller's to respect. */
  append(request: AppendRequest): void
  hasRoom(): boolean
  /** Calls back once when there is room again, at once if there is. Given twice while it waits, the
   * same callback is called once. */
  onRoom(callback: () => void): void
  readonly read: LogStore['read']
  /** Does other work that a message waits for, and waits while the store fails as a message does:
   * for `waitMs`, and then throws its `StoreFailure`; one that does not answer has a second
   * more. */
  attempt<Result>(work: () => Promise<Result>): Promise<Result>
  /** Whether messages can be stored now. */
  readonly persistence: Omit<Persistence, 'attempt' | 'insist'>
  /** What waits for the next commit, and the bytes of that and of the commit under way. */
  waiting(): { readonly messages: number; readonly bytes: number }
  readonly meters: LogMeters
  /** Resolves when all that was queued is settled. */
  drained(): Promise<void>
}

/** Of the commits that succeeded. */
interface LogMeters {
  readonly batchMessages: Histogram
  readonly commitMs: Histogram
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** Makes the log over a store. Guarantees: requests are committed in the order they came; `settled`
 * and then `announce` are called in that order; one batch is in flight at a time. */
export function makeLog(parts: LogParts, options: LogOptions): Log {
  const { store, clock } = parts
  const persistence = makePersistence(parts)
  const { settle, meters } = makeSettler(parts, persistence)
  const gathering = makeGathering(options.gatherMs, clock)
  let queue: AppendRequest[] = []
  /** When each request of `queue` came. */
  let queuedAt: number[] = []
  let queuedBytes = 0
  let running = false
  const waitingForDrain: (() => void)[] = []

  const hasRoom = (): boolean =>
    queue.length < options.queueMax && queuedBytes < options.queueBytesMax
  const { onRoom, wake } = makeRoomWaiters(hasRoom)

  const takeBatch = (): Batch => {
    const taken = queue.slice(0, options.batchMax)
    const oldest = queuedAt[0] as number
    queue = queue.slice(options.batchMax)
    queuedAt = queuedAt.slice(options.batchMax)
    return new Batch(taken.filter(isWanted), oldest)
  }

  const isWanted = (request: AppendRequest): boolean => {
    if (!request.isAbandoned()) return true
    forget([request])
    request.settled({ kind: 'failed' })
    return false
  }

  const forget = (requests: readonly AppendRequest[]) => {
    for (const request of requests) queuedBytes -= weight(request)
  }

  /** The store does not even fail. Nobody waits longer, in the batch or behind it. */
  const abandonAll = (batch: Batch) => {
    persistence.failed('the store does not answer')
    batch.abandon()
    const behind = queue.splice(0)
    queuedAt = []
    forget(behind)
    for (const request of behind) request.settled({ kind: 'failed' })
    wake()
  }

  const run = async () => {
    while (queue.length > 0) {
      await gathering.wait(() => queue.length, queuedAt[0] as number)
      const batch = takeBatch()
      const watch = setInterval(abandonAll, options.waitMs + graceMs, batch)
      await settle(batch, batch.oldest + options.waitMs)
      clearInterval(watch)
      gathering.committed()
      forget(batch.requests)
      wake()
      // The sockets' turn: what they bring now is the next batch.
      await nextTurn()
    }
    running = false
    for (const done of waitingForDrain.splice(0)) done()
  }

  return {
    append(request) {
      queue.push(request)
      queuedAt.push(clock())
      queuedBytes += weight(request)
      if (running) return
      running = true
      setImmediate(run)
    },
    hasRoom,
    onRoom,
    read: (conversation, range) => store.read(conversation, range),
    attempt: (work) => persistence.attempt(work, clock() + options.waitMs),
    persistence,
    waiting: () => ({ messages: queue.length, bytes: queuedBytes }),
    meters,
    async drained() {
      if (running) await new Promise<void>((resolve) => waitingForDrain.push(resolve))
    },
  }
}

/** Commits a batch, answers each request and announces what was stored. */
function makeSettler(parts: LogParts, persistence: Persistence) {
  const { store, clock, logger, announce } = parts
  const meters = makeLogMeters()

  /** The outcomes; undefined when the store did not work in time. Waits for the answer even when
   * the batch was abandoned: the next one must not overtake it, and what was stored is
   * announced. */
  const commit = async (batch: readonly NewMessage[], giveUpAt: number) => {
    const begunAt = clock()
    try {
      const outcomes = await persistence.insist(() => store.append(batch, clock()), giveUpAt)
      meters.batchMessages.observe(batch.length)
      meters.commitMs.observe(Math.max(0, clock() - begunAt))
      return outcomes
    } catch (error) {
      if (error instanceof StoreFailure) return undefined
      throw error
    }
  }

  /** One entry that the store rejects as a bug must not take its neighbours down with it. */
  const oneByOne = async (batch: Batch, giveUpAt: number) => {
    for (const request of batch.requests) {
      try {
        const isWanted = !request.isAbandoned()
        const outcomes = isWanted ? await commit([request], giveUpAt) : undefined
        batch.answer(request, outcomes?.[0], announce)
      } catch (error) {
        logger.error({ err: error, conversation: request.conversation }, 'cannot store an entry')
        batch.answer(request, undefined, announce)
      }
    }
  }

  const settle = async (batch: Batch, giveUpAt: number): Promise<void> => {
    const { requests } = batch
    if (requests.length === 0) return
    let outcomes: readonly AppendOutcome[] | undefined
    try {
      outcomes = await commit(requests, giveUpAt)
    } catch (error) {
      logger.error({ err: error }, 'cannot store a batch; trying its entries one by one')
      return oneByOne(batch, giveUpAt)
    }
    for (const [index, request] of requests.entries()) {
      batch.answer(request, outcomes?.[index], announce)
    }
  }

  return { settle, meters }
}

/** Requests of one transaction, answered in order, each once. */
class Batch {
  readonly requests: readonly AppendRequest[]
  /** When the first request came. */
  readonly oldest: number
  #answered = 0

  constructor(requests: readonly AppendRequest[], oldest: number) {
    this.requests = requests
    this.oldest = oldest
  }

  /** Answers the next request, if it was not given up, and announces what was stored. */
  answer(
    request: AppendRequest,
    outcome: AppendOutcome | undefined,
    announce: LogParts['announce'],
  ): void {
    if (this.#answered < this.requests.length) {
      this.#answered++
      request.settled(outcome ?? { kind: 'failed' })
    }
    if (outcome?.kind !== 'appended') return
    const { conversation, from, body } = request
    announce({ conversation, from, body, seq: outcome.seq, at: outcome.at })
  }

  /** Tells all that were not answered that they failed. The store may still commit them: then they
   * are announced, and a sender who tries again is found to have succeeded. */
  abandon(): void {
    const waiting = this.requests.slice(this.#answered)
    this.#answered = this.requests.length
    for (const request of waiting) request.settled({ kind: 'failed' })
  }
}

export function makeLogMeters(): LogMeters {
  return {
    batchMessages: new Histogram([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]),
    commitMs: new Histogram([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 30_000]),
  }
}

/** What a waiting request costs: its content and, roughly, the objects around it. */
export function weight(request: NewEntry): number {
  return Buffer.byteLength(request.body.fields) + 200
}
