// An engine (Redis, mongod, HAProxy, Toxiproxy) as a process of one test: on a port of its own, and
// ended with the test, by its id. Linux ends it too when the test run itself is killed.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { isExecutable } from '../../cli/greeting.ts'
import { until } from './until.ts'

export interface Owner {
  teardown(work: () => Promise<void> | void): void
}

export interface EngineProcess {
  readonly port: number
  /** Of the running process; 0 while none runs. */
  pid(): number
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves with the exit code, or the signal that ended it. */
  stop(): Promise<number | NodeJS.Signals>
  /** Ends what may still run, and resolves when a new process at the same port is ready. */
  restart(): Promise<void>
  /** SIGSTOP: connections stay open, and nothing is answered. */
  pause(): void
  resume(): void
  /** What it wrote last, for the report of a failure. */
  output(): string
}

export interface EngineOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly port: number
  /** Instead of this process' environment. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly isReady: () => Promise<boolean>
  /** How long a start may take. Default 30,000. */
  readonly startMs?: number
}

const outputCharactersMax = 20_000

/** Starts the engine, and resolves when it is ready. */
export async function startEngine(t: Owner, options: EngineOptions): Promise<EngineProcess> {
  const { name, port, isReady, startMs = 30_000 } = options
  let child: ChildProcess | undefined
  let output = ''

  const start = async () => {
    const started = spawnBound(options)
    const record = (text: Buffer) => {
      output = (output + text).slice(-outputCharactersMax)
    }
    started.stdout?.on('data', record)
    started.stderr?.on('data', record)
    started.on('error', (error) => record(Buffer.from(error.message)))
    child = started
    const ready = () => {
      if (hasEnded(started)) throw new Error(`${name} did not start: ${output}`)
      return isReady()
    }
    await until(`${name} is ready`, ready, startMs).catch((error: Error) => {
      throw new Error(`${error.message}\n${output}`)
    })
  }

  const end = async (signal: NodeJS.Signals) => {
    if (child === undefined || hasEnded(child)) return
    const gone = once(child, 'exit')
    child.kill(signal)
    // A paused process hears of SIGTERM only when it goes on.
    child.kill('SIGCONT')
    await gone
  }
  const ending = () => child?.exitCode ?? child?.signalCode ?? 0

  t.teardown(() => end('SIGKILL'))
  await start()
  return {
    port,
    pid: () => (child === undefined || hasEnded(child) ? 0 : (child.pid ?? 0)),
    kill: () => end('SIGKILL'),
    async stop() {
      await end('SIGTERM')
      return ending()
    },
    async restart() {
      await end('SIGKILL')
      await start()
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    output: () => output,
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

/** Starts a program that the kernel kills when this process ends, however it ends. */
function spawnBound({ command, args, environment = process.env }: EngineOptions): ChildProcess {
  const setpriv = '/usr/bin/setpriv'
  const words = [command, ...args]
  if (isExecutable(setpriv)) words.unshift(setpriv, '--pdeathsig', 'KILL', '--')
  const [program = command, ...rest] = words
  return spawn(program, rest, { env: { ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
}

const [portMin, portMax] = [12_000, 32_000]

/** A port that nobody listens at, below those the kernel gives to outgoing connections: it stays
 * free while the engine that had it is away. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = portMin + Math.floor(Math.random() * (portMax - portMin))
    if (await isFree(port)) return port
  }
  throw new Error('no port is free')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
