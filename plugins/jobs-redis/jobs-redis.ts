// Jobs of a cluster, in Redis by BullMQ: a queue for each kind, below `parley:jobs`. Here is what
// makes it keep the port: bounds, keys, giving back, and what becomes of it while Redis is away.

import type { Job } from 'bullmq'
import { Queue, WaitingError, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Clock } from '../../protocol/clock.ts'
import { StoreFailure } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'
import {
  attemptsMaxDefault,
  closeGraceMs,
  crashesMax,
  deadKeptMs,
  deadMax,
  encodePayload,
  retryDelayMs,
} from '../../services/jobs/limits.ts'
import type {
  HandlerOptions,
  JobHandler,
  JobQueue,
  Json,
  NewJob,
  StopHandling,
} from '../../services/jobs/ports.ts'
import { runHandler } from '../../services/jobs/run-handler.ts'

interface Parts {
  /** For commands that wait for Redis (`maxRetriesPerRequest: null`), with an error handler. Each
   * handled kind makes one more like it. The caller disconnects it after `close`. */
  readonly redis: Redis
  readonly clock: Clock
  readonly logger: Logger
}

interface Options {
  /** After how long the jobs of a process that was killed run elsewhere, ms; 30,000 if absent. */
  readonly leaseMs?: number
}

interface Data {
  readonly payload: Json
}

/** How long Redis may take to answer, ms. */
const answerMs = 2000
/** Most answers that are waited for; further calls are refused. */
const callsMax = 5000
/** What BullMQ tells of each queue, newest lines. Nobody reads them. */
const eventsMax = 100

/** Keys: `parley:jobs:<kind>:…`, as BullMQ has them. Jobs that are done are removed at once, dead
 * ones by their number and age whenever another one dies. */
const prefix = 'parley:jobs'

/** Makes the queue. While Redis is away `add` rejects at once or within 2 s, and handlers wait. */
export function makeRedisJobs(parts: Parts, { leaseMs = 30_000 }: Options = {}): JobQueue {
  const { clock, logger } = parts
  const queues = new Map<string, Queue<Data>>()
  const stops = new Map<string, StopHandling>()
  const ask = makeAsk(parts.redis)
  let isClosed = false
  const connection = { connection: parts.redis, prefix, skipVersionCheck: true }
  const troubled = (err: Error) => logger.debug({ err }, 'jobs wait for Redis')

  const queueOf = (kind: string) => {
    if (isClosed) throw new Error('the queue of jobs is closed')
    const known = queues.get(kind)
    if (known !== undefined) return known
    const streams = { events: { maxLen: eventsMax } }
    const queue = new Queue<Data>(kind, { ...connection, streams })
    queue.on('error', troubled)
    queues.set(kind, queue)
    return queue
  }

  const startWorker = (kind: string, handler: JobHandler, options: HandlerOptions) => {
    const stop = new AbortController()
    const worker = new Worker<Data>(
      kind,
      (job, token = '') => work(job, token, { handler, options, stop: stop.signal }),
      {
        ...connection,
        concurrency: options.concurrency,
        lockDuration: leaseMs,
        stalledInterval: leaseMs,
        maxStalledCount: crashesMax - 1,
        settings: { backoffStrategy: (attempt) => retryDelayMs(attempt, Math.random) },
      },
    )
    worker.on('error', troubled)
    return () => stopWorker(worker, stop, parts.redis.status === 'ready')
  }

  return {
    async add(job) {
      const queue = queueOf(job.kind)
      encodePayload(job.payload)
      await ask(() => queue.add(job.kind, { payload: job.payload }, optionsOf(job, clock())))
    },
    async cancel(kind, key) {
      const queue = queueOf(kind)
      return ask(() => cancelJob(parts.redis, queue, key))
    },
    handle(kind, handler, options) {
      queueOf(kind)
      if (stops.has(kind)) throw new Error(`${kind} is handled already`)
      const stopWorking = startWorker(kind, handler, options)
      let stopping: Promise<void> | undefined
      const stop = () => {
        stopping ??= stopWorking().finally(() => stops.delete(kind))
        return stopping
      }
      stops.set(kind, stop)
      return stop
    },
    async dead(kind, limit) {
      const queue = queueOf(kind)
      const jobs = await ask(() => queue.getFailed(0, limit - 1))
      return jobs
        .map(({ data, finishedOn: at = 0, failedReason: reason }) => ({
          kind,
          ...data,
          at,
          reason,
        }))
        .filter(({ at }) => at >= clock() - deadKeptMs)
    },
    counts: () => Promise.all([...queues].map(([kind, queue]) => ask(() => count(kind, queue)))),
    async close() {
      isClosed = true
      await Promise.all([...stops.values()].map((stop) => stop()))
      const closing = [...queues.values()].map((queue) => queue.close().catch(troubled))
      await within(answerMs, Promise.all(closing)).catch(troubled)
    },
  }
}

function optionsOf({ runAt, key, replaces = false, attemptsMax }: NewJob, now: number) {
  return {
    delay: Math.max(0, runAt - now),
    attempts: attemptsMax ?? attemptsMaxDefault,
    backoff: { type: 'custom' },
    removeOnComplete: true,
    removeOnFail: { age: deadKeptMs / 1000, count: deadMax },
    ...(key === undefined
      ? {}
      : { deduplication: { id: key, keepLastIfActive: true, replace: replaces } }),
  }
}

async function cancelJob(redis: Redis, queue: Queue<Data>, key: string): Promise<boolean> {
  const id = await queue.getDeduplicationJobId(key)
  if (id === null || id === undefined) return false
  if ((await queue.remove(id)) > 0) return true
  // It runs. What came after it is kept here until it has ended.
  return (await redis.del(queue.toKey(`dn:${key}`))) > 0
}

async function count(kind: string, queue: Queue<Data>) {
  const {
    wait = 0,
    delayed = 0,
    active = 0,
    failed = 0,
  } = await queue.getJobCounts('wait', 'delayed', 'active', 'failed')
  return { kind, waiting: wait + delayed, running: active, dead: failed }
}

interface Work {
  readonly handler: JobHandler
  readonly options: HandlerOptions
  readonly stop: AbortSignal
}

/** What BullMQ does for a job: resolves when it is done, rejects when it is to be tried again. */
async function work(job: Job<Data>, token: string, { handler, options, stop }: Work) {
  const { payload } = job.data
  const outcome = await runHandler(
    handler,
    { payload, attempt: job.attemptsMade + 1, stop },
    options,
  )
  if (outcome.kind === 'done') return
  if (outcome.kind === 'failed') throw new Error(outcome.reason)
  // When Redis is away it is found to be abandoned later.
  await within(answerMs, job.moveToWait(token)).catch(() => {})
  throw new WaitingError()
}

/** Waits for what runs, and gives back what does not end in time. While Redis is away jobs cannot
 * be ended, nor given back, and BullMQ would wait for ever: what runs is left, and found to be
 * abandoned later. */
async function stopWorker(
  worker: Worker<Data>,
  stop: AbortController,
  isRedisThere: boolean,
): Promise<void> {
  const abort = () => stop.abort(new Error('the server stops'))
  if (!isRedisThere) abort()
  const grace = setTimeout(abort, closeGraceMs)
  await within(closeGraceMs + 2 * answerMs, worker.close(!isRedisThere)).catch(() => {})
  clearTimeout(grace)
  abort()
}

type Ask = <Result>(call: () => Promise<Result>) => Promise<Result>

/** Asks Redis; rejects with `StoreFailure` when it is away, or slow. */
function makeAsk(redis: Redis): Ask {
  let calls = 0
  return async (call) => {
    if (redis.status !== 'ready') throw new StoreFailure('Redis is away')
    if (calls >= callsMax) throw new StoreFailure('too much waits for Redis')
    calls++
    const answer = call().finally(() => calls--)
    try {
      return await within(answerMs, answer)
    } catch (error) {
      if (error instanceof StoreFailure) throw error
      throw new StoreFailure(`Redis: ${(error as Error).message}`, error)
    }
  }
}

/** As the promise; rejects with `StoreFailure` when it takes longer. */
async function within<Result>(ms: number, promise: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StoreFailure('Redis does not answer')), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
