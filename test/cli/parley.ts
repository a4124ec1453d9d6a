// Runs the built program as a user does: as a process of its own, in a folder of its own, with an
// environment that holds nothing of the caller's settings.

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const program = fileURLToPath(new URL('../../cli/main.js', import.meta.url))
const deadlineMs = 30_000

export interface RunOptions {
  /** The folder to run in. */
  readonly cwd: string
  readonly environment?: Readonly<Record<string, string>>
  /** Standard input; none if undefined. */
  readonly input?: string
}

export interface Outcome {
  /** The exit code; null after a signal. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A program that runs. */
export interface Running {
  readonly pid: number
  stdout(): string
  stderr(): string
  /** Resolves when standard output or standard error matches; throws when it ends before. */
  until(pattern: RegExp): Promise<RegExpMatchArray>
  signal(name: NodeJS.Signals): void
  /** Resolves when it has ended. */
  ended(): Promise<Outcome>
}

/** Starts the program; it is killed when the test ends. */
export function startParley(t: Test, words: readonly string[], options: RunOptions): Running {
  const child = spawn(process.execPath, [program, ...words], {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, HOME: options.cwd, ...options.environment },
    stdio: 'pipe',
  })
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const written = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    written.stdout += chunk.toString('utf8')
  })
  child.stderr.on('data', (chunk: Buffer) => {
    written.stderr += chunk.toString('utf8')
  })
  const closed = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await closed
  })
  const ended = async (): Promise<Outcome> => {
    await within(closed, child, () => `${words.join(' ')} does not end: ${written.stderr}`)
    return { code: child.exitCode, ...written }
  }
  return {
    pid: child.pid ?? 0,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    until: (pattern) => untilMatch(child, pattern, () => written.stdout + written.stderr),
    signal: (name) => void child.kill(name),
    ended,
  }
}

/** Runs the program to its end. */
export function runParley(
  t: Test,
  words: readonly string[],
  options: RunOptions,
): Promise<Outcome> {
  return startParley(t, words, options).ended()
}

async function untilMatch(
  child: ChildProcess,
  pattern: RegExp,
  text: () => string,
): Promise<RegExpMatchArray> {
  const found = new Promise<RegExpMatchArray>((resolve, reject) => {
    const look = (): void => {
      const match = text().match(pattern)
      if (match !== null) resolve(match)
    }
    child.stdout?.on('data', look)
    child.stderr?.on('data', look)
    child.once('close', () => {
      look()
      reject(new Error(`ended without ${pattern}: ${text()}`))
    })
    look()
  })
  return within(found, child, () => `no ${pattern} in: ${text()}`)
}

async function within<Value>(
  promise: Promise<Value>,
  child: ChildProcess,
  complaint: () => string,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(complaint()))
    }, deadlineMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

export interface RunningServer extends Running {
  readonly mqttPort: number
  readonly httpPort: number
}

/** Starts a server on free ports with the data folder `data` of the folder. */
export async function startServer(
  t: Test,
  options: RunOptions,
  words: readonly string[] = [],
): Promise<RunningServer> {
  const ports = ['--mqtt-port', '0', '--http-port', '0']
  const server = startParley(t, ['serve', ...ports, ...words], options)
  const mqtt = await server.until(/^listening mqtt:\/\/127\.0\.0\.1:(\d+)$/m)
  const http = await server.until(/^listening http:\/\/127\.0\.0\.1:(\d+) /m)
  await server.until(/^data folder .*\n/m)
  return { ...server, mqttPort: Number(mqtt[1]), httpPort: Number(http[1]) }
}
