// The append: a batch of entries, numbered and deduplicated, in one transaction. Synchronous, on
// one connection, which must be the only one that writes messages: the heads of conversations are
// remembered here.

import { makeBoundedMap } from '../../protocol/bounded-map.ts'
import type { NewEntry } from '../../protocol/entry.ts'
import type { AppendOutcome, NewMessage } from '../../services/log/ports.ts'
import { makeTakePacket } from './device-packets.ts'
import type { SqlDriver } from './driver.ts'
import { makeFindKey } from './keys.ts'
import type { Run } from './runs.ts'
import { joinRun, runMin, runsOf } from './runs.ts'
import type { Transact } from './transaction.ts'

/** `LogStore.append`, synchronous. */
export type Append = (batch: readonly NewMessage[], at: number) => readonly AppendOutcome[]

const headsMax = 100_000

/** Where a batch is being stored: the time, and the heads it has moved. */
interface Going {
  readonly at: number
  readonly moved: Map<number, number>
}

/** Makes the append of this connection. An unknown conversation or sender is a bug: it throws,
 * and nothing of the batch is stored. */
export function makeAppend(driver: SqlDriver, transact: Transact): Append {
  const insert = driver.prepare(`
    INSERT INTO messages (conversation, seq, sender, id, at, kind, fields)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
    WHERE NOT EXISTS (SELECT 1 FROM ids WHERE conversation = ?1 AND sender = ?3 AND id = ?4)
    ON CONFLICT (conversation, sender, id) WHERE id IS NOT NULL DO NOTHING`)
  const selectHead = driver.prepare<{ head: number | null }>(
    'SELECT max(seq) AS head FROM messages WHERE conversation = ?',
  )
  const conversationKey = makeFindKey(driver, 'conversations')
  const userKey = makeFindKey(driver, 'users')
  const takePacket = makeTakePacket(driver)
  const findStored = makeFindStored(driver)
  const insertRun = makeInsertRun(driver)
  const heads = makeBoundedMap<number, number>(headsMax)

  const placeOf = (entry: NewEntry, { moved }: Going): Place => {
    const conversation = mustExist(conversationKey(entry.conversation), 'conversation')
    const sender = mustExist(userKey(entry.from), 'sender')
    const head =
      moved.get(conversation) ??
      heads.get(conversation) ??
      selectHead.get([conversation])?.head ??
      0
    return { conversation, sender, head }
  }

  const store = (entry: NewEntry, going: Going): AppendOutcome => {
    const { conversation, sender, head } = placeOf(entry, going)
    const { at, moved } = going
    const { kind, messageId, fields } = entry.body
    const seq = head + 1
    // Insert first: retransmissions are rare, and the index is searched by the insert anyway.
    const { changes } = insert.run([conversation, seq, sender, messageId ?? null, at, kind, fields])
    if (changes === 0) return findStored(conversation, sender, messageId)
    moved.set(conversation, seq)
    return { kind: 'appended', seq, at }
  }

  const storeRun = ({ entries }: Run, going: Going): readonly AppendOutcome[] => {
    const [first] = entries
    if (first === undefined || entries.length < runMin) return storeEach(entries, going)
    const place = placeOf(first, going)
    if (!insertRun(place, entries, going.at)) return storeEach(entries, going)
    const { conversation, head } = place
    going.moved.set(conversation, head + entries.length)
    return entries.map((_, index) => ({ kind: 'appended', seq: head + 1 + index, at: going.at }))
  }

  const storeEach = (entries: readonly NewEntry[], going: Going): readonly AppendOutcome[] =>
    entries.map((entry) => store(entry, going))

  const storeAll = (batch: readonly NewMessage[], going: Going): readonly AppendOutcome[] => {
    if (batch.some(({ packet }) => packet !== undefined)) {
      return batch.map((entry) => {
        const { packet, from } = entry
        return packet === undefined
          ? store(entry, going)
          : takePacket(from, packet, () => store(entry, going))
      })
    }
    const outcomes = new Array<AppendOutcome>(batch.length)
    for (const run of runsOf(batch)) {
      for (const [nth, outcome] of storeRun(run, going).entries()) {
        outcomes[run.indexes[nth] as number] = outcome
      }
    }
    return outcomes
  }

  return (batch, at) => {
    const moved = new Map<number, number>()
    const outcomes = transact(() => storeAll(batch, { at, moved }))
    // Only now: before the commit a rollback would leave heads of entries that are not there.
    for (const [conversation, head] of moved) heads.set(conversation, head)
    return outcomes
  }
}

/** Where the next entry goes: keys of its conversation and sender, and the newest position. */
interface Place {
  readonly conversation: number
  readonly sender: number
  readonly head: number
}

/** Stores a run; false, with nothing stored, when one of its message ids was stored before. */
function makeInsertRun(driver: SqlDriver) {
  const insertRow = driver.prepare(`
    INSERT INTO messages (conversation, seq, sender, at, kind, fields, entries)
    VALUES (?, ?, ?, ?, ?, ?, ?)`)
  const insertIds = driver.prepare(`
    INSERT INTO ids (conversation, sender, id, seq)
    SELECT ?1, ?2, value, ?3 + 1 + key FROM json_each(?4)
    WHERE value IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM messages
      WHERE conversation = ?1 AND sender = ?2 AND id = value AND id IS NOT NULL)
    ON CONFLICT DO NOTHING`)
  const deleteIds = driver.prepare(`
    DELETE FROM ids
    WHERE conversation = ?1 AND sender = ?2 AND id IN (SELECT value FROM json_each(?4))
      AND seq > ?3`)
  return ({ conversation, sender, head }: Place, entries: readonly NewEntry[], at: number) => {
    const ids = entries.map(({ body }) => body.messageId ?? null)
    const named = ids.filter((id) => id !== null).length
    if (named > 0) {
      const params = [conversation, sender, head, JSON.stringify(ids)]
      if (insertIds.run(params).changes < named) {
        deleteIds.run(params)
        return false
      }
    }
    const kind = entries[0]?.body.kind ?? ''
    const count = entries.length
    insertRow.run([conversation, head + count, sender, at, kind, joinRun(entries), count])
    return true
  }
}

/** Finds the entry that has this message id, by itself or within a run. */
function makeFindStored(driver: SqlDriver) {
  const select = driver.prepare<{ seq: number; at: number }>(`
    SELECT seq, at FROM messages WHERE conversation = ?1 AND sender = ?2 AND id = ?3
    UNION ALL
    SELECT ids.seq, messages.at FROM ids JOIN messages
      ON messages.conversation = ids.conversation AND messages.seq =
        (SELECT min(seq) FROM messages WHERE conversation = ?1 AND seq >= ids.seq)
    WHERE ids.conversation = ?1 AND ids.sender = ?2 AND ids.id = ?3`)
  return (conversation: number, sender: number, id: string | undefined): AppendOutcome => {
    const stored = select.get([conversation, sender, id ?? null])
    if (stored === undefined) throw new Error('an entry was neither stored nor there already')
    return { kind: 'duplicate', seq: stored.seq, at: stored.at }
  }
}

function mustExist(key: number | undefined, what: string): number {
  if (key === undefined) throw new Error(`the ${what} of an appended entry does not exist`)
  return key
}
