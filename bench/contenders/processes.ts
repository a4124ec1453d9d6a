// Processes of contenders: started with as many files as the system allows, awaited until they
// listen, and ended by their process id.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { connect, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

const startMsMax = 30_000
const stopMsMax = 20_000
const lookMs = 20

export interface Child {
  readonly pid: number
  /** Aborted, with an error that says how, when the process ends without having been asked to. */
  readonly died: AbortSignal
  /** Resolves with what `look` finds, asked again and again; rejects when the process ends, or
   * after half a minute. */
  until<Found>(look: () => Promise<Found | undefined> | Found | undefined): Promise<Found>
  /** Asks it to end, and insists if it does not. */
  stop(): Promise<void>
}

/** Starts a program, with as many open files as it may have; what it writes to standard error is
 * shown when it fails to start, or dies. */
export function startProgram(
  command: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Child {
  const script = 'ulimit -n "$(ulimit -Hn)"; exec "$@"'
  // A clean environment: settings of whoever runs the benchmark are none of the contender's.
  const child = spawn('/bin/sh', ['-c', script, 'sh', command, ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, ...environment },
  })
  let complaints = ''
  child.stderr.setEncoding('utf8')
  child.stderr.on('data', (text: string) => {
    complaints = (complaints + text).slice(-2000)
  })
  const failure = (what: string) => new Error(`${command} ${what}\n${complaints}`.trim())
  const death = new AbortController()
  let isStopping = false
  child.on('close', (code, signal) => {
    if (isStopping) return
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`
    death.abort(failure(`ended while it was needed, ${how}`))
  })

  return {
    pid: child.pid ?? 0,
    died: death.signal,
    async until(look) {
      const deadline = performance.now() + startMsMax
      for (;;) {
        const found = await look()
        if (found !== undefined) return found
        if (hasEnded(child)) throw failure('ended')
        if (performance.now() > deadline) throw failure('did not start in time')
        await wait(lookMs)
      }
    },
    async stop() {
      isStopping = true
      if (hasEnded(child)) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax)
      await ended
      clearTimeout(timer)
    },
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** True when something listens on the port, else undefined. */
export async function isListening(port: number): Promise<true | undefined> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return undefined
  } finally {
    socket.destroy()
  }
}

/** The path of a program; undefined when it is not installed. Daemons of Debian lie where the PATH
 * of a user does not lead. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
