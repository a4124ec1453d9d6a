// A redis-server for a test, on a port of its own, that can be killed and started again.

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { requireProgram } from '../../support/programs.ts'
import { until } from '../../support/until.ts'

export interface LocalRedis {
  readonly port: number
  readonly url: string
  /** SIGKILL; resolves when the process has gone. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  /** Starts it again on the same port. */
  start(): Promise<void>
}

/** A port that nobody listened to a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Starts a redis-server; it ends with the test. */
export async function startRedis(
  t: Test,
  options: { readonly args?: readonly string[]; readonly sentinel?: string } = {},
): Promise<LocalRedis> {
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'parley-redis-'))
  let child: ChildProcess | undefined
  const file = join(folder, 'sentinel.conf')
  if (options.sentinel !== undefined) await writeFile(file, options.sentinel)
  const first = options.sentinel === undefined ? [] : [file, '--sentinel']
  const start = async () => {
    const { command = '' } = requireProgram('redis-server')
    const own = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '']
    const stdio = 'ignore'
    child = spawn(command, [...first, ...own, ...(options.args ?? [])], { stdio })
    await until('redis-server listens', () => listens(port))
  }
  const kill = async () => {
    const running = child
    child = undefined
    if (running === undefined) return
    const gone = new Promise((resolve) => running.once('exit', resolve))
    running.kill('SIGKILL')
    await gone
  }
  t.teardown(async () => {
    await kill()
    await rm(folder, { recursive: true, force: true })
  })
  await start()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill,
    signal: (name) => void child?.kill(name),
    start,
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
