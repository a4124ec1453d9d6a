// One process that serves: alone, or as one of several that another has started.

import type { Logger } from 'pino'
import type { Settings } from '../config/schema.ts'
import type { Context } from './context.ts'
import { greetedUser } from './greeting.ts'
import type { Listening } from './presence.ts'
import { announce, retract } from './presence.ts'
import { stopMsMax, stopSignal } from './stopping.ts'
import { shareMetrics } from './worker-metrics.ts'
import { readyMessage } from './workers.ts'

const failedExitCode = 1

/** Serves alone until a signal comes. */
export async function serveAlone(
  settings: Settings,
  context: Context,
  logger: Logger,
): Promise<void> {
  const { startServer } = await import('./wire.ts')
  const stopped = stopSignal('SIGINT', 'SIGTERM')
  const server = await startServer(settings, logger)
  // Without certificates it ends the process, as when its terminal is closed.
  if (server.reload !== undefined) process.on('SIGHUP', server.reload)
  try {
    const hasUser = await server.userExists(greetedUser)
    announce(settings, context, { ...server, hasUser })
    const failure = await Promise.race([stopped, server.failed])
    if (failure !== undefined) throw failure
  } finally {
    // First, so that no command begins to speak to a server that goes.
    retract(settings)
    endInTime(settings, logger)
    await server.close()
  }
  context.output.write('stopped\n')
}

/** Serves as one of several until SIGTERM comes; Ctrl-C in a terminal is for the one that started
 * it. When that one has gone, node:cluster ends the process. */
export async function serveAsWorker(settings: Settings, logger: Logger): Promise<void> {
  const { startServer } = await import('./wire.ts')
  process.on('SIGINT', () => {})
  const stopped = stopSignal('SIGTERM')
  const server = await startServer(settings, logger, (own) => shareMetrics(own, process))
  if (server.reload !== undefined) process.on('SIGHUP', server.reload)
  try {
    const hasUser = await server.userExists(greetedUser)
    const { mqtt, http, mqtts, https } = server
    const listening: Listening = { mqtt, http, mqtts, https, hasUser }
    process.send?.({ type: readyMessage, ...listening })
    const failure = await Promise.race([stopped, server.failed])
    if (failure !== undefined) throw failure
  } finally {
    endInTime(settings, logger)
    await server.close()
  }
}

/** Ends the process if it does not stop by itself. What was acknowledged is stored. */
function endInTime(settings: Settings, logger: Logger): void {
  const end = () => {
    logger.error({}, 'the server does not stop: it is ended')
    process.exit(failedExitCode)
  }
  setTimeout(end, stopMsMax(settings)).unref()
}
