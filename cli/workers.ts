// Keeps the broker processes of one machine running (`--workers`): starts them, starts again those
// that end, more and more slowly if they end soon, and stops them all. It does not know what they
// do.

import type { ChildProcess } from 'node:child_process'
import type { Logger } from '../protocol/logger.ts'

/** A process of the crew: that of `child_process.fork`, or of `cluster.fork().process`. */
export type WorkerProcess = Pick<ChildProcess, 'pid' | 'kill' | 'send' | 'on' | 'connected'>

interface WorkersParts {
  readonly fork: () => WorkerProcess
  readonly logger: Logger
}

export interface WorkersOptions {
  readonly count: number
  /** The first pause before a process is started again, and the longest, ms; each is twice the one
   * before. */
  readonly pauseMs: number
  readonly pauseMsMax: number
  /** Who has lived so long begins with the first pause again, ms. */
  readonly stableMs: number
}

/** Pauses from 0.1 s to 30 s, and a minute to be trusted again. */
export const restartPauses = { pauseMs: 100, pauseMsMax: 30_000, stableMs: 60_000 }

export interface Workers {
  /** Starts one, and when it has said that it is ready, the others. Resolves with what the first
   * one said, when all are ready or have failed once; undefined when the first one ended instead,
   * which has told why on standard error. */
  start(): Promise<object | undefined>
  /** Those that are ready. */
  ready(): readonly WorkerProcess[]
  signal(name: NodeJS.Signals): void
  /** Asks all to stop, and kills those who have not after `withinMs`. Resolves with whether all
   * ended well. */
  stop(withinMs: number): Promise<boolean>
}

/** Hears what processes say: `ended` once each, after its last message. */
export interface WorkersWatch {
  heard(worker: WorkerProcess, message: object): void
  ended(worker: WorkerProcess): void
}

/** What a process says when it can work. */
export const readyMessage = 'ready'

/** One place of the crew, whoever has it now. */
interface Place {
  worker: WorkerProcess | undefined
  isReady: boolean
  startedAt: number
  failures: number
  restart: NodeJS.Timeout | undefined
}

export function makeWorkers(
  { fork, logger }: WorkersParts,
  options: WorkersOptions,
  watch: WorkersWatch,
): Workers {
  const places: Place[] = []
  let isStopping = false
  let endedWell = true

  /** Starts a process; resolves with what it says when it is ready, or undefined at its end. */
  const fill = (place: Place) =>
    new Promise<object | undefined>((resolve) => {
      const worker = fork()
      Object.assign(place, { worker, isReady: false, startedAt: performance.now() })
      worker.on('message', (message) => {
        if (typeof message !== 'object' || message === null || place.worker !== worker) return
        if ('type' in message && message.type === readyMessage) {
          place.isReady = true
          resolve(message)
        }
        watch.heard(worker, message)
      })
      // A message to one that has just ended: its end is heard of.
      worker.on('error', (err) => logger.debug({ err, pid: worker.pid }, 'a worker has gone'))
      worker.on('exit', (code, signal) => {
        const wasReady = place.isReady
        Object.assign(place, { worker: undefined, isReady: false })
        watch.ended(worker)
        resolve(undefined)
        if (isStopping) endedWell &&= code === 0
        else if (hasStarted || wasReady) replace(place, { pid: worker.pid, code, signal })
      })
    })
  let hasStarted = false

  const replace = (place: Place, ending: object) => {
    const lived = performance.now() - place.startedAt
    if (lived >= options.stableMs) place.failures = 0
    const restartMs = Math.min(options.pauseMsMax, options.pauseMs * 2 ** place.failures++)
    logger.warn({ ...ending, restartMs }, 'a worker has ended; it is started again')
    place.restart = setTimeout(() => void fill(place), restartMs)
  }

  const add = () => {
    const place: Place = {
      ...{ worker: undefined, isReady: false, startedAt: 0 },
      ...{ failures: 0, restart: undefined },
    }
    places.push(place)
    return fill(place)
  }

  const running = () => places.flatMap(({ worker }) => (worker === undefined ? [] : [worker]))

  return {
    async start() {
      const first = await add()
      if (first === undefined || isStopping) return first
      hasStarted = true
      await Promise.all(Array.from({ length: options.count - 1 }, add))
      return first
    },
    ready: () => places.flatMap(({ worker, isReady }) => (worker && isReady ? [worker] : [])),
    signal(name) {
      for (const worker of running()) worker.kill(name)
    },
    async stop(withinMs) {
      isStopping = true
      for (const { restart } of places) clearTimeout(restart)
      const ends = running().map(
        (worker) => new Promise((resolve) => worker.on('exit', () => resolve(undefined))),
      )
      for (const worker of running()) worker.kill('SIGTERM')
      const late = setTimeout(() => {
        for (const worker of running()) worker.kill('SIGKILL')
      }, withinMs)
      await Promise.all(ends)
      clearTimeout(late)
      return endedWell
    },
  }
}
