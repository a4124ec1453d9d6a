// What travels between the store and its writer thread: writes by name, and results or errors.

import type { NewEntry } from '../../protocol/entry.ts'
import { StoreFailure } from '../../protocol/failure.ts'
import type { DriverName } from './driver.ts'
import { SqliteError } from './driver.ts'
import type { Writes } from './operations.ts'

/** What the thread is told when it starts. */
export interface ThreadSettings {
  readonly file: string
  readonly driver: DriverName
  readonly pagesMax: number | undefined
}

/** A batch of entries as one flat array, five members an entry: what a caller's entries have
 * besides (functions cannot be cloned) stays behind. Objects and JSON text cost the same. */
export type SentBatch = readonly (string | undefined)[]

const membersOfEntry = 5

export function sendBatch(batch: readonly NewEntry[]): SentBatch {
  const sent: (string | undefined)[] = []
  for (const { conversation, from, body } of batch) {
    sent.push(conversation, from, body.kind, body.messageId, body.fields)
  }
  return sent
}

export function receiveBatch(sent: SentBatch): readonly NewEntry[] {
  const batch: NewEntry[] = []
  for (let index = 0; index < sent.length; index += membersOfEntry) {
    const [conversation, from, kind, messageId, fields] = sent.slice(index, index + membersOfEntry)
    if (conversation === undefined || from === undefined || kind === undefined) throw cut()
    if (fields === undefined) throw cut()
    batch.push({ conversation, from, body: { kind, messageId, fields } })
  }
  return batch
}

function cut(): Error {
  return new Error('a batch lost members on its way to the writer thread')
}

type OtherWrite = Exclude<keyof Writes, 'append'>

/** A write, or the end of them. */
export type ToThread =
  | { readonly id: number; readonly name: 'append'; readonly batch: SentBatch; readonly at: number }
  | { readonly id: number; readonly name: OtherWrite; readonly args: readonly unknown[] }
  | 'close'

/** The answer to one write. The thread's first message answers to the start, with id 0. */
export type FromThread =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: SentError }

interface SentError {
  readonly kind: 'failure' | 'sqlite' | 'bug'
  readonly message: string
  readonly code: number
  readonly stack: string | undefined
}

/** An error as plain data: the classes of errors do not survive the way between threads. */
export function sendError(error: unknown): SentError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  if (error instanceof StoreFailure) return { kind: 'failure', message, code: 0, stack }
  if (error instanceof SqliteError) return { kind: 'sqlite', message, code: error.code, stack }
  return { kind: 'bug', message, code: 0, stack }
}

/** The error again, of the class it had. */
export function receiveError({ kind, message, code, stack }: SentError): Error {
  const cause = new Error(message)
  if (stack !== undefined) cause.stack = stack
  if (kind === 'failure') return new StoreFailure(message, cause)
  return kind === 'sqlite' ? new SqliteError(code, cause) : new Error(message, { cause })
}
