// The process that starts several, for `--workers`: it gives them the connections in turn, restarts
// those that end, sums their metrics, and passes signals on. It serves nobody itself.

import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import type { Logger } from 'pino'
import type { Settings } from '../config/schema.ts'
import type { Context } from './context.ts'
import { CommandFailure } from './failures.ts'
import { announce, type Listening, retract } from './presence.ts'
import { stopMsMax, stopSignal } from './stopping.ts'
import { type MetricsSum, makeMetricsHub } from './worker-metrics.ts'
import { makeWorkers, restartPauses } from './workers.ts'

/** How much longer than a worker may need its end is waited for, ms. */
const killGraceMs = 2000

/** Other commands need no metrics. */
const sum: MetricsSum = async (all) => {
  return (await import('../plugins/metrics/sum.ts')).sumMetrics(all)
}

/** How many processes the settings ask for. */
export function workerCount({ workers }: Settings): number {
  return workers === 'auto' ? availableParallelism() : Number(workers)
}

/** Runs them until a signal comes. All are stopped together: a machine that stops leaves its
 * clients to the others. Throws `CommandFailure` when the first cannot start, or one had to be
 * killed. */
export async function serveWorkers(
  settings: Settings,
  context: Context,
  logger: Logger,
): Promise<void> {
  const stopped = stopSignal('SIGINT', 'SIGTERM')
  // Connections last for hours: the kernel's choice, which favours who is busy, would last as long.
  cluster.schedulingPolicy = cluster.SCHED_RR
  const workers = makeWorkers(
    { fork: () => cluster.fork().process, logger },
    { count: workerCount(settings), ...restartPauses },
    {
      heard: (worker, message) => hub.heard(worker, message),
      ended: (worker) => hub.ended(worker),
    },
  )
  const hub = makeMetricsHub({ workers: () => workers.ready(), sum })
  if (settings.tlsCertificate.length > 0) process.on('SIGHUP', () => workers.signal('SIGHUP'))
  const stop = () => workers.stop(stopMsMax(settings) + killGraceMs)
  let endedWell = true
  try {
    const listening = await Promise.race([stopped.then(() => 'stopped' as const), workers.start()])
    if (listening === undefined) throw new CommandFailure('the first worker could not start')
    if (listening !== 'stopped') {
      announce(settings, context, listening as Listening)
      await stopped
    }
  } finally {
    retract(settings)
    endedWell = await stop()
  }
  if (!endedWell) throw new CommandFailure('a worker did not stop as it should')
  context.output.write('stopped\n')
}
