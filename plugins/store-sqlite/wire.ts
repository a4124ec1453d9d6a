// What travels between the store and its writer thread: writes by name, and results or errors.

import { StoreFailure } from '../../protocol/failure.ts'
import type { AppendOutcome, DevicePacket, NewMessage } from '../../services/log/ports.ts'
import type { DriverName } from './driver.ts'
import { SqliteError } from './driver.ts'
import type { Writes } from './operations.ts'

/** What the thread is told when it starts. */
export interface ThreadSettings {
  readonly file: string
  readonly driver: DriverName
  readonly pagesMax: number | undefined
}

/** A batch of entries as one text, five members an entry: to clone 500 entries as one string costs
 * half of what their small strings cost (170 µs against 330, joining and splitting included). The
 * few that came with a packet id are named beside it, by their index in the batch. */
export interface SentBatch {
  readonly entries: string
  readonly packets?: readonly (readonly [number, DevicePacket])[]
}

/** None of the members can hold it: ids and kinds have no control characters, and JSON escapes
 * them. */
const separator = '\0'
const membersOfEntry = 5

export function sendBatch(batch: readonly NewMessage[]): SentBatch {
  const members: string[] = []
  let packets: [number, DevicePacket][] | undefined
  for (const { conversation, from, body, packet } of batch) {
    if (packet !== undefined) {
      packets ??= []
      packets.push([members.length / membersOfEntry, packet])
    }
    // No id is empty: that stands for none.
    members.push(conversation, from, body.kind, body.messageId ?? '', body.fields)
  }
  const entries = members.join(separator)
  return packets === undefined ? { entries } : { entries, packets }
}

export function receiveBatch({ entries, packets = [] }: SentBatch): readonly NewMessage[] {
  const members = entries === '' ? [] : entries.split(separator)
  if (members.length % membersOfEntry !== 0) throw cut()
  const batch: NewMessage[] = []
  for (let at = 0; at < members.length; at += membersOfEntry) {
    const body = {
      kind: members[at + 2] as string,
      messageId: members[at + 3] || undefined,
      fields: members[at + 4] as string,
    }
    batch.push({ conversation: members[at] as string, from: members[at + 1] as string, body })
  }
  for (const [index, packet] of packets) {
    const message = batch[index]
    if (message === undefined) throw cut()
    batch[index] = { ...message, packet }
  }
  return batch
}

function cut(): Error {
  return new Error('a batch lost members on its way to the writer thread')
}

/** Two numbers an outcome: its seq, below 0 for a duplicate, and its time. */
export type SentOutcomes = Float64Array

export function sendOutcomes(outcomes: readonly AppendOutcome[]): SentOutcomes {
  const sent = new Float64Array(outcomes.length * 2)
  for (const [index, { kind, seq, at }] of outcomes.entries()) {
    sent[index * 2] = kind === 'appended' ? seq : -seq
    sent[index * 2 + 1] = at
  }
  return sent
}

export function receiveOutcomes(sent: SentOutcomes): readonly AppendOutcome[] {
  const outcomes: AppendOutcome[] = []
  for (let at = 0; at < sent.length; at += 2) {
    const seq = sent[at] as number
    const kind = seq > 0 ? 'appended' : 'duplicate'
    outcomes.push({ kind, seq: Math.abs(seq), at: sent[at + 1] as number })
  }
  return outcomes
}

type OtherWrite = Exclude<keyof Writes, 'append'>

export type WriteCall =
  | { readonly id: number; readonly name: 'append'; readonly batch: SentBatch; readonly at: number }
  | { readonly id: number; readonly name: OtherWrite; readonly args: readonly unknown[] }

/** A write, or the end of them. */
export type ToThread = WriteCall | 'close'

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
