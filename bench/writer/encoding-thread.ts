// A writer thread that takes batches as objects or as JSON text and answers in kind.

import { parentPort, workerData } from 'node:worker_threads'
import { connect, loadDriver } from '../../plugins/store-sqlite/connect.ts'
import { makeWrites } from '../../plugins/store-sqlite/operations.ts'
import { makeTransact } from '../../plugins/store-sqlite/transaction.ts'
import type { NewEntry } from '../../protocol/entry.ts'

type Batch = { readonly batch: readonly NewEntry[]; readonly at: number }

const { file } = workerData as { file: string }
const open = await loadDriver()
const driver = connect(open, file, {})
const { append } = makeWrites(driver, makeTransact(driver))
parentPort?.on('message', (message: string | Batch) => {
  const { batch, at } = typeof message === 'string' ? (JSON.parse(message) as Batch) : message
  const outcomes = append(batch, at)
  parentPort?.postMessage(typeof message === 'string' ? JSON.stringify(outcomes) : outcomes)
})
parentPort?.postMessage('ready')
