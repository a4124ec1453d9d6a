// Work that is done again and again, by one process of all at a time: a job under one key, which is
// added again before it runs. A queue that has lost it gets it back from whoever repeats it.

import type { Logger } from '../../protocol/logger.ts'
import type { JobHandler, JobQueue, NewJob } from './ports.ts'

interface RepeatParts {
  readonly jobs: Pick<JobQueue, 'add' | 'handle'>
  readonly clock: () => number
  readonly logger: Logger
}

interface RepeatOptions {
  readonly kind: string
  /** From the end of one time to the begin of the next, ms. */
  readonly everyMs: number
  /** How long one time may take, ms. */
  readonly timeoutMs: number
}

export interface Repeated {
  /** Ends it in this process, and resolves when it does not run here any more. */
  close(): Promise<void>
}

const key = 'repeat'
/** How soon a queue that was emptied is noticed, ms. */
const renewMsMax = 60_000

/** Begins to repeat the work. What fails is logged, and done again at the next time. */
export function startRepeat(
  parts: RepeatParts,
  { kind, everyMs, timeoutMs }: RepeatOptions,
  work: (signal: AbortSignal) => Promise<void>,
): Repeated {
  const { jobs, clock, logger } = parts
  const renew = () => plan(parts, { kind, runAt: clock() + everyMs })
  const handler: JobHandler = async (_, { signal }) => {
    renew()
    try {
      await work(signal)
    } catch (err) {
      if (!signal.aborted) logger.warn({ err, kind }, 'what is done again and again failed')
      throw err
    }
  }
  const stop = jobs.handle(kind, handler, { concurrency: 1, timeoutMs })
  const renewing = setInterval(renew, Math.min(everyMs, renewMsMax))
  renewing.unref()
  renew()
  return {
    close() {
      clearInterval(renewing)
      return stop()
    },
  }
}

/** Has it done now, by whichever process repeats it. */
export function hastenRepeat(parts: PlanParts, kind: string): void {
  plan(parts, { kind, runAt: parts.clock(), replaces: true })
}

type PlanParts = Omit<RepeatParts, 'jobs'> & { readonly jobs: Pick<JobQueue, 'add'> }

function plan(
  { jobs, logger }: PlanParts,
  when: Pick<NewJob, 'kind' | 'runAt' | 'replaces'>,
): void {
  jobs
    .add({ ...when, key, payload: null, attemptsMax: 1 })
    .catch((err: unknown) => logger.debug({ err, kind: when.kind }, 'not planned yet'))
}
