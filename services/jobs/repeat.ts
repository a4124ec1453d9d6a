// Work that is done again and again, by one process of all at a time: a job under one key, which is
// added again before it runs. A queue that has lost it gets it back from whoever repeats it.

import type { Logger } from '../../protocol/logger.ts'
import type { JobQueue } from './ports.ts'

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
  /** Has it done now, by whichever process; it is not done twice at the same time. */
  hasten(): void
  /** Ends it in this process, and resolves when it does not run here any more. */
  close(): Promise<void>
}

const key = 'repeat'
/** How soon a queue that was emptied is noticed, ms. */
const renewMsMax = 60_000

/** Begins to repeat the work. What fails is logged, and done again at the next time. */
export function startRepeat(
  { jobs, clock, logger }: RepeatParts,
  { kind, everyMs, timeoutMs }: RepeatOptions,
  work: (signal: AbortSignal) => Promise<void>,
): Repeated {
  const plan = (runAt: number, replaces = false) =>
    jobs.add({ kind, key, payload: null, runAt, replaces, attemptsMax: 1 })
  const renew = () => {
    plan(clock() + everyMs).catch((err: unknown) => logger.debug({ err, kind }, 'not planned yet'))
  }
  const stop = jobs.handle(
    kind,
    async (_, { signal }) => {
      renew()
      try {
        await work(signal)
      } catch (err) {
        if (!signal.aborted) logger.warn({ err, kind }, 'a repeated job failed')
        throw err
      }
    },
    { concurrency: 1, timeoutMs },
  )
  const renewing = setInterval(renew, Math.min(everyMs, renewMsMax))
  renewing.unref()
  renew()
  return {
    hasten() {
      plan(clock(), true).catch((err: unknown) => logger.debug({ err, kind }, 'not hastened'))
    },
    close() {
      clearInterval(renewing)
      return stop()
    },
  }
}
