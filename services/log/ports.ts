// What the log needs of a store.

import type { Entry, NewEntry } from '../../protocol/entry.ts'

/** What became of an entry: stored now, or found to be stored already under the same (conversation,
 * from, message id). `seq` and `at` are those of the stored entry. */
export interface AppendOutcome {
  readonly kind: 'appended' | 'duplicate'
  readonly seq: number
  readonly at: number
}

/** Which part of a conversation to read: entries with `after < seq < before`, oldest first, or
 * newest first when `newestFirst`. */
export interface ReadRange {
  readonly after?: number
  readonly before?: number
  readonly newestFirst?: boolean
  /** Most entries to return, 1 or more. */
  readonly limit: number
  /** Stop before the entry that would bring the sum of `fields` above this; at least one entry is
   * returned if there is any. */
  readonly bytesMax?: number
}

export interface LogStore {
  /** Stores the entries in their order, all or none, at the next positions of their conversations,
   * and resolves when they are durable. Idempotent by (conversation, from, messageId), also within
   * the batch. `at` is the time given to new entries. Rejects with `StoreFailure` when the store
   * cannot commit now; then nothing was stored. Conversations must exist. */
  append(batch: readonly NewEntry[], at: number): Promise<readonly AppendOutcome[]>
  /** Entries of one conversation in order of `seq`; see `ReadRange`. */
  read(conversation: string, range: ReadRange): Promise<readonly Entry[]>
  /** The position of the newest entry of each conversation, in their order; 0 where there is none,
   * or no such conversation. */
  heads(conversations: readonly string[]): Promise<readonly number[]>
}
