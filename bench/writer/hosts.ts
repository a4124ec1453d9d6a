// The hosts compare.js compares: the plugin with its two writers, and a thread of the bench's own
// that is sent each batch as objects or as JSON text, to see what the encoding costs.

import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { SqliteStore } from '../../plugins/store-sqlite/store.ts'
import { openSqliteStore } from '../../plugins/store-sqlite/store.ts'
import type { NewEntry } from '../../protocol/entry.ts'
import type { AppendOutcome, LogStore } from '../../services/log/ports.ts'

export const hostNames = ['inline', 'worker', 'worker-objects', 'worker-json'] as const
export type HostName = (typeof hostNames)[number]

export interface Host {
  readonly store: SqliteStore
  readonly append: LogStore['append']
  close(): Promise<void>
}

/** Opens the store in the folder and the named way to append to it. */
export async function openHost(name: HostName, folder: string): Promise<Host> {
  const options = { folder, clock: Date.now }
  if (name === 'inline' || name === 'worker') {
    const store = await openSqliteStore({ ...options, writer: name })
    return { store, append: store.log.append, close: store.close }
  }
  const store = await openSqliteStore({ ...options, writer: 'inline' })
  const thread = new Worker(new URL('./encoding-thread.js', import.meta.url), {
    workerData: { file: join(folder, 'parley.db') },
  })
  await once(thread, 'message')
  return {
    store,
    append: makeThreadAppend(thread, name === 'worker-json'),
    async close() {
      await thread.terminate()
      await store.close()
    },
  }
}

function makeThreadAppend(thread: Worker, asJson: boolean): LogStore['append'] {
  const waiting: ((outcomes: readonly AppendOutcome[]) => void)[] = []
  thread.on('message', (answer: string | readonly AppendOutcome[]) => {
    const outcomes = typeof answer === 'string' ? JSON.parse(answer) : answer
    waiting.shift()?.(outcomes as readonly AppendOutcome[])
  })
  return (batch: readonly NewEntry[], at: number) => {
    const plain = batch.map(({ conversation, from, body }) => ({ conversation, from, body }))
    const message = { batch: plain, at }
    thread.postMessage(asJson ? JSON.stringify(message) : message)
    return new Promise((resolve) => waiting.push(resolve))
  }
}
