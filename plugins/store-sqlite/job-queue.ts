// Does the jobs of the table in this process. It knows when the next one is due and sleeps until
// then; nothing is polled.

import type { Clock } from '../../protocol/clock.ts'
import {
  attemptsMaxDefault,
  closeGraceMs,
  encodePayload,
  retryDelayMs,
} from '../../services/jobs/limits.ts'
import type { HandlerOptions, JobHandler, JobQueue, Json } from '../../services/jobs/ports.ts'
import type { RunOutcome } from '../../services/jobs/run-handler.ts'
import { runHandler } from '../../services/jobs/run-handler.ts'
import type { JobEnd, JobReads, TakenJob } from './jobs.ts'
import type { Writer } from './writer.ts'

interface Parts {
  readonly write: Writer['run']
  readonly read: <Result>(work: (reads: JobReads) => Result) => Promise<Result>
  readonly clock: Clock
}

/** The work of one kind. */
interface Line {
  readonly handler: JobHandler
  readonly options: HandlerOptions
  readonly stop: AbortController
  readonly running: Set<Promise<void>>
  isOpen: boolean
}

/** How long a store that failed is left alone, ms. */
const pauseMs = 1000
/** Longer ones a timer cannot wait. */
const timerMsMax = 2 ** 31 - 1

/** Makes the queue; nothing runs before a handler is there. */
export function makeJobQueue({ write, read, clock }: Parts): JobQueue {
  const lines = new Map<string, Line>()
  let taking: Promise<void> | undefined
  let isTakingAgain = false
  let isClosed = false
  const assertOpen = () => {
    if (isClosed) throw new Error('the queue of jobs is closed')
  }

  const takeOnce = async () => {
    const wanted = [...lines]
      .filter(([, { isOpen }]) => isOpen)
      .map(([kind, { options, running }]) => ({ kind, limit: options.concurrency - running.size }))
      .filter(({ limit }) => limit > 0)
    if (wanted.length === 0) return
    const { taken, nextAt } = await write('takeJobs', wanted, clock())
    for (const job of taken) start(job)
    if (nextAt !== undefined) alarm.set(nextAt)
  }

  const take = () => {
    isTakingAgain = taking !== undefined
    taking ??= takeOnce()
      .catch(() => alarm.set(clock() + pauseMs))
      .finally(() => {
        taking = undefined
        if (isTakingAgain) take()
      })
  }
  const alarm = makeAlarm(clock, take)

  const start = (job: TakenJob) => {
    const line = lines.get(job.kind)
    if (line === undefined) throw new Error(`${job.kind} was taken, which nobody handles`)
    const running = runJob({ write, clock }, line, job).finally(() => {
      line.running.delete(running)
      take()
    })
    line.running.add(running)
  }

  const stopLine = async (line: Line) => {
    line.isOpen = false
    // What is just being taken is run, or given back.
    await taking
    const grace = setTimeout(() => line.stop.abort(new Error('the server stops')), closeGraceMs)
    await Promise.all(line.running)
    clearTimeout(grace)
  }

  return {
    async add({ kind, payload, runAt, key, replaces = false, attemptsMax = attemptsMaxDefault }) {
      assertOpen()
      const text = encodePayload(payload)
      await write('addJob', { kind, key, payload: text, runAt, replaces, attemptsMax }, clock())
      if (lines.get(kind)?.isOpen) alarm.set(runAt)
    },
    async cancel(kind, key) {
      assertOpen()
      return write('cancelJob', kind, key)
    },
    handle(kind, handler, options) {
      assertOpen()
      if (lines.get(kind)?.isOpen) throw new Error(`${kind} is handled already`)
      const stop = new AbortController()
      const line: Line = { handler, options, stop, running: new Set(), isOpen: true }
      lines.set(kind, line)
      take()
      let stopping: Promise<void> | undefined
      return () => {
        stopping ??= stopLine(line)
        return stopping
      }
    },
    async dead(kind, limit) {
      assertOpen()
      const rows = await read((from) => from.deadJobs(kind, limit))
      return rows.map((row) => ({ ...row, payload: JSON.parse(row.payload) as Json }))
    },
    async counts() {
      assertOpen()
      return read((from) => from.countJobs())
    },
    async close() {
      isClosed = true
      await Promise.all([...lines.values()].map(stopLine))
      alarm.clear()
    },
  }
}

/** Calls `ring` at the earliest of the times that were set since it last did. */
function makeAlarm(clock: Clock, ring: () => void) {
  let set: { readonly at: number; readonly timer: NodeJS.Timeout } | undefined
  const clear = () => {
    clearTimeout(set?.timer)
    set = undefined
  }
  return {
    clear,
    set(at: number) {
      if (set !== undefined && set.at <= at) return
      clear()
      const timer = setTimeout(
        () => {
          set = undefined
          ring()
        },
        Math.min(Math.max(0, at - clock()), timerMsMax),
      )
      timer.unref()
      set = { at, timer }
    },
  }
}

/** Runs one job and stores how it ended. Never rejects. */
async function runJob(
  { write, clock }: Pick<Parts, 'write' | 'clock'>,
  { handler, options, stop }: Line,
  job: TakenJob,
): Promise<void> {
  const payload = JSON.parse(job.payload) as Json
  const attempt = job.attempts + 1
  const outcome = await runHandler(handler, { payload, attempt, stop: stop.signal }, options)
  const end = endOf(job, outcome, clock())
  for (;;) {
    try {
      return await write('endJob', end, clock())
    } catch {
      // What cannot be stored before the server stops runs again when it is back.
      if (stop.signal.aborted) return
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
}

function endOf(job: TakenJob, outcome: RunOutcome, now: number): JobEnd {
  const { id, attempts, attemptsMax } = job
  if (outcome.kind !== 'failed') return { id, kind: outcome.kind }
  const { reason } = outcome
  if (attempts + 1 >= attemptsMax) return { id, kind: 'dead', reason }
  return { id, kind: 'again', runAt: now + retryDelayMs(attempts + 1, Math.random) }
}
