// The server under the fuzzer: a process of its own, so that its death and its memory are its own.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../support/server.ts'
import type { Doors } from './line.ts'
import type { Memory, Opening, ServerMessage } from './server-process.ts'

export interface Target extends Doors {
  /** Tokens by user; empty in the trusted mode. */
  readonly tokens: Readonly<Record<string, string>>
  /** Collects garbage, then says how much is left. */
  memory(): Promise<Memory>
  /** Throws what the server died of, or logged as an error. */
  demandHealth(): void
}

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

const program = fileURLToPath(new URL('./server-process.js', import.meta.url))

/** Starts a server; it is killed when the owner ends. */
export async function startTarget(t: Owner, opening: Omit<Opening, 'data'>): Promise<Target> {
  const full: Opening = { ...opening, data: temporaryFolder(t) }
  const child = fork(program, [JSON.stringify(full)], {
    execArgv: ['--expose-gc', '--enable-source-maps'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(0, 20_000)
  })
  const closed = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await closed
  })
  const demandHealth = () => {
    const ending = child.exitCode ?? child.signalCode
    if (ending !== null) throw new Error(`the server ended (${ending}): ${errors}`)
    if (errors !== '') throw new Error(`the server logged an error: ${errors}`)
  }
  const message = async () => {
    const [first] = await Promise.race([once(child, 'message'), closed])
    if (typeof first === 'object' && first !== null) return first as ServerMessage
    demandHealth()
    throw new Error('the server said nothing')
  }
  const ready = await message()
  if (ready.kind !== 'ready') throw new Error(`the server began with ${ready.kind}`)
  return {
    ...ready,
    demandHealth,
    async memory() {
      child.send('memory')
      const answer = await message()
      if (answer.kind !== 'memory') throw new Error(`the server answered with ${answer.kind}`)
      return answer
    },
  }
}
