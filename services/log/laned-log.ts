// The log of a cluster: a lane for each conversation, which stores what waits in it batch by batch
// and depends on no other lane, because conversations may lie on different machines. What waits in
// several lanes is begun together, so that it travels together.

import { makeGathering } from './gathering.ts'
import type { AppendRequest, Log, LogOptions, LogParts } from './log.ts'
import { makeLogMeters, weight } from './log.ts'
import type { Persistence } from './persistence.ts'
import type { AppendResult, LogStore, NewMessage } from './ports.ts'
import { makeRoomWaiters } from './room-waiters.ts'

interface LanedLogParts extends Omit<LogParts, 'store'> {
  readonly store: Pick<LogStore, 'read'> & {
    /** Stores messages of one conversation in their order, and tries again while that fails. */
    place(batch: readonly NewMessage[], at: number): Promise<readonly AppendResult[]>
  }
  /** Told by the store what works. */
  readonly persistence: Persistence
}

interface LanedLogOptions extends LogOptions {
  /** Most waves that are under way: lanes that were begun together. */
  readonly wavesMax: number
}

/** What waits for one conversation. */
interface Lane {
  waiting: AppendRequest[]
  /** Whether a batch of it is under way. */
  isBusy: boolean
}

/** Makes the log. Guarantees: requests of one conversation are committed in the order they came;
 * when one fails, those behind it fail, so that sending again cannot change their order; each is
 * `settled` before it is announced. Requests of different conversations may overtake each other. */
export function makeLanedLog(parts: LanedLogParts, options: LanedLogOptions): Log {
  const { store, clock, persistence } = parts
  const lanes = new Map<string, Lane>()
  const waves = makeWaves(options, clock)
  const meters = makeLogMeters()
  let messages = 0
  let bytes = 0
  const waitingForDrain: (() => void)[] = []
  const hasRoom = (): boolean => messages < options.queueMax && bytes < options.queueBytesMax
  const { onRoom, wake } = makeRoomWaiters(hasRoom)

  const settle = (request: AppendRequest, result: AppendResult) => {
    messages--
    bytes -= weight(request)
    request.settled(result)
    if (result.kind !== 'appended') return
    const { conversation, from, body } = request
    parts.announce({ conversation, from, body, seq: result.seq, at: result.at })
  }

  /** The next requests of a lane that are wanted still. */
  const takeBatch = (lane: Lane): readonly AppendRequest[] => {
    const batch: AppendRequest[] = []
    for (const request of lane.waiting.splice(0, options.batchMax)) {
      if (request.isAbandoned()) settle(request, failed)
      else batch.push(request)
    }
    return batch
  }

  const commit = async (batch: readonly AppendRequest[]): Promise<readonly AppendResult[]> => {
    const begunAt = clock()
    try {
      const results = await store.place(batch, begunAt)
      meters.batchMessages.observe(batch.length)
      meters.commitMs.observe(Math.max(0, clock() - begunAt))
      return results
    } catch (err) {
      parts.logger.error({ err, conversation: batch[0]?.conversation }, 'cannot store a batch')
      return batch.map(() => failed)
    }
  }

  const advance = async (conversation: string, lane: Lane) => {
    lane.isBusy = true
    const batch = takeBatch(lane)
    const results = batch.length === 0 ? [] : await commit(batch)
    for (const [index, request] of batch.entries()) settle(request, results[index] ?? failed)
    const hasFailed = results.some(({ kind }) => kind === 'failed')
    if (hasFailed) for (const request of lane.waiting.splice(0)) settle(request, failed)
    lane.isBusy = false
    if (lane.waiting.length > 0) waves.join(() => advance(conversation, lane))
    else lanes.delete(conversation)
    wake()
    if (messages === 0) for (const done of waitingForDrain.splice(0)) done()
  }

  return {
    append(request) {
      const { conversation } = request
      const lane = lanes.get(conversation) ?? { waiting: [], isBusy: false }
      const isNew = lane.waiting.length === 0 && !lane.isBusy
      lanes.set(conversation, lane)
      lane.waiting.push(request)
      messages++
      bytes += weight(request)
      if (isNew) waves.join(() => advance(conversation, lane))
      else waves.grew()
    },
    hasRoom,
    onRoom,
    read: (conversation, range) => store.read(conversation, range),
    attempt: (work) => persistence.attempt(work, clock() + options.waitMs),
    persistence,
    waiting: () => ({ messages, bytes }),
    meters,
    async drained() {
      if (messages > 0) await new Promise<void>((resolve) => waitingForDrain.push(resolve))
    },
  }
}

const failed = { kind: 'failed' } as const
/** After so long the next wave need not wait for this one, ms. */
const waveMsMax = 100

/** Begins work in waves: what joins while the last ones are under way begins with the next. */
function makeWaves({ wavesMax, gatherMs }: LanedLogOptions, clock: LogParts['clock']) {
  const gathering = makeGathering(gatherMs, clock)
  let joined: (() => Promise<void>)[] = []
  let oldest = 0
  let size = 0
  let isRunning = false
  let underWay = 0
  let resume: (() => void) | undefined

  const begin = async () => {
    const wave = joined
    joined = []
    size = 0
    underWay++
    // As a rule they end together. Those that do not must not keep the others waiting.
    await within(waveMsMax, Promise.race(wave.map((work) => work())))
    underWay--
    gathering.committed()
    resume?.()
  }

  const run = async () => {
    while (joined.length > 0) {
      await gathering.wait(() => size, oldest)
      void begin()
      while (underWay >= wavesMax) {
        await new Promise<void>((resolve) => {
          resume = resolve
        })
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    isRunning = false
  }

  return {
    /** Work that is to begin. It never rejects. */
    join(work: () => Promise<void>): void {
      if (joined.length === 0) oldest = clock()
      joined.push(work)
      size++
      if (isRunning) return
      isRunning = true
      setImmediate(run)
    },
    /** What is to begin has become more. */
    grew(): void {
      size++
    },
  }
}

/** Resolves with the work, or without it after `ms`. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}
