// The append: a batch of entries, numbered and deduplicated, in one transaction. Synchronous, on
// one connection, which must be the only one that writes messages: the heads of conversations are
// remembered here.

import { makeBoundedMap } from '../../protocol/bounded-map.ts'
import type { NewEntry } from '../../protocol/entry.ts'
import type { AppendOutcome, NewMessage } from '../../services/log/ports.ts'
import { makeTakePacket } from './device-packets.ts'
import type { SqlDriver } from './driver.ts'
import { makeFindKey } from './keys.ts'
import type { Transact } from './transaction.ts'

/** `LogStore.append`, synchronous. */
export type Append = (batch: readonly NewMessage[], at: number) => readonly AppendOutcome[]

const headsMax = 100_000

/** Makes the append of this connection. An unknown conversation or sender is a bug: it throws,
 * and nothing of the batch is stored. */
export function makeAppend(driver: SqlDriver, transact: Transact): Append {
  const insert = driver.prepare(`
    INSERT INTO messages (conversation, seq, sender, id, at, kind, fields)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (conversation, sender, id) WHERE id IS NOT NULL DO NOTHING`)
  const selectStored = driver.prepare<{ seq: number; at: number }>(
    'SELECT seq, at FROM messages WHERE conversation = ? AND sender = ? AND id = ?',
  )
  const selectHead = driver.prepare<{ head: number | null }>(
    'SELECT max(seq) AS head FROM messages WHERE conversation = ?',
  )
  const conversationKey = makeFindKey(driver, 'conversations')
  const userKey = makeFindKey(driver, 'users')
  const takePacket = makeTakePacket(driver)
  const heads = makeBoundedMap<number, number>(headsMax)

  /** Stores one entry; `moved` holds the heads this transaction moved. */
  const store = (entry: NewEntry, at: number, moved: Map<number, number>): AppendOutcome => {
    const conversation = mustExist(conversationKey(entry.conversation), 'conversation')
    const sender = mustExist(userKey(entry.from), 'sender')
    const { kind, messageId, fields } = entry.body
    const head =
      moved.get(conversation) ??
      heads.get(conversation) ??
      selectHead.get([conversation])?.head ??
      0
    const seq = head + 1
    // Insert first: retransmissions are rare, and the index is searched by the insert anyway.
    const { changes } = insert.run([conversation, seq, sender, messageId ?? null, at, kind, fields])
    if (changes === 1) {
      moved.set(conversation, seq)
      return { kind: 'appended', seq, at }
    }
    const stored = selectStored.get([conversation, sender, messageId ?? null])
    if (stored === undefined) throw new Error('an entry was neither stored nor there already')
    return { kind: 'duplicate', seq: stored.seq, at: stored.at }
  }

  return (batch, at) => {
    const moved = new Map<number, number>()
    const outcomes = transact(() =>
      batch.map((entry) =>
        entry.packet === undefined
          ? store(entry, at, moved)
          : takePacket(entry.from, entry.packet, () => store(entry, at, moved)),
      ),
    )
    // Only now: before the commit a rollback would leave heads of entries that are not there.
    for (const [conversation, head] of moved) heads.set(conversation, head)
    return outcomes
  }
}

function mustExist(key: number | undefined, what: string): number {
  if (key === undefined) throw new Error(`the ${what} of an appended entry does not exist`)
  return key
}
