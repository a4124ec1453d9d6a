// `parley serve`: runs the server until a signal stops it.

import cluster from 'node:cluster'
import type { Command } from 'commander'
import { destination, pino } from 'pino'
import type { Settings } from '../../config/schema.ts'
import type { Context } from '../context.ts'
import { addAllSettings, readSettings } from '../options.ts'
import { serveAlone, serveAsWorker } from '../serve-process.ts'
import { serveWorkers, workerCount } from '../serve-workers.ts'
import { shareOf } from '../worker-limits.ts'

/** Adds the command. */
export function addServe(program: Command, context: Context): void {
  const command = program
    .command('serve')
    .description('run the server: MQTT, MQTT over WebSocket, and the HTTP API')
  addAllSettings(command)
  command.action(async () => {
    const { settings } = readSettings(command, context)
    await serve(settings, context)
  })
}

async function serve(settings: Settings, context: Context): Promise<void> {
  // A file that may not grow (ulimit -f) is a full disk to the store, and no reason to die.
  process.on('SIGXFSZ', () => {})
  const logger = pino({ level: settings.logLevel }, destination({ dest: 2, sync: true }))
  const count = workerCount(settings)
  if (cluster.isWorker) return serveAsWorker(shareOf(settings, count), logger)
  if (count > 1) return serveWorkers(settings, context, logger)
  return serveAlone(settings, context, logger)
}
