// `parley serve`: runs the server until a signal stops it.

import type { Command } from 'commander'
import { destination, type Logger, pino } from 'pino'
import type { Settings } from '../../config/schema.ts'
import type { Context } from '../context.ts'
import { greetedUser, greeting, isOnPath } from '../greeting.ts'
import { addAllSettings, readSettings } from '../options.ts'
import type { ListenAddress } from '../server-file.ts'
import { connectHost, listenUrl, removeServerFile, writeServerFile } from '../server-file.ts'

/** npm passes Ctrl-C on to a program that has had it from the terminal already: two signals within
 * this time are one. */
const sameSignalMs = 500
const interruptedExitCode = 130
const failedExitCode = 1
/** What a stop may take after the last client was sent away, ms: answers over HTTP that are under
 * way, and the last writes. */
const stopGraceMs = 20_000

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
  const { startServer } = await import('../wire.ts')
  const stopped = stopSignal()
  const server = await startServer(settings, logger)
  // Without certificates it ends the process, as when its terminal is closed.
  if (server.reload !== undefined) process.on('SIGHUP', server.reload)
  try {
    writeServerFile(settings.data, {
      pid: process.pid,
      http: server.http && connectUrl('http', server.http),
      mqtt: server.mqtt && connectUrl('mqtt', server.mqtt),
      version: context.version,
    })
    const hasMosquitto = isOnPath('mosquitto_pub', context.environment.PATH ?? '')
    const hasUser = await server.userExists(greetedUser)
    const { version } = context
    context.output.write(greeting({ version, settings, listening: server, hasUser, hasMosquitto }))
    const failure = await Promise.race([stopped, server.failed])
    if (failure !== undefined) throw failure
  } finally {
    // First, so that no command begins to speak to a server that goes.
    removeServerFile(settings.data, process.pid)
    endInTime(settings, logger)
    await server.close()
  }
  context.output.write('stopped\n')
}

function connectUrl(scheme: 'mqtt' | 'http', { host, port }: ListenAddress): string {
  return listenUrl(scheme, { host: connectHost(host), port })
}

/** Ends the process if it does not stop by itself: a store that hangs must not keep it. What was
 * acknowledged is stored. */
function endInTime({ drainDelayMs, drainTimeoutMs }: Settings, logger: Logger): void {
  const end = () => {
    logger.error({}, 'the server does not stop: it is ended')
    process.exit(failedExitCode)
  }
  setTimeout(end, drainDelayMs + drainTimeoutMs + stopGraceMs).unref()
}

/** Resolves at the first SIGINT or SIGTERM; another one after it ends the process at once. */
function stopSignal(): Promise<undefined> {
  return new Promise((resolve) => {
    let firstAt: number | undefined
    const onSignal = (): void => {
      const now = performance.now()
      firstAt ??= now
      if (now - firstAt > sameSignalMs) process.exit(interruptedExitCode)
      resolve(undefined)
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
  })
}
