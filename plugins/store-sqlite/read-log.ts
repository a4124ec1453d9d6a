// Reading the log: ranges of one conversation's entries, bounded by number and by bytes.

import type { Entry } from '../../protocol/entry.ts'
import type { ReadRange } from '../../services/log/ports.ts'
import type { SqlDriver, SqlStatement } from './driver.ts'
import { makeFindKey } from './keys.ts'
import { splitRun } from './runs.ts'

/** The reading half of `LogStore`, synchronous. */
export interface LogReads {
  readLog(conversation: string, range: ReadRange): readonly Entry[]
  heads(conversations: readonly string[]): readonly number[]
}

interface MessageRow {
  readonly seq: number
  readonly sender: string
  readonly id: string | null
  readonly at: number
  readonly kind: string
  readonly fields: string
  readonly entries: number
}

/** Rows fetched at a time: a row may be many entries, and little should be read in vain. */
const rowsAtOnce = 32

/** Makes the reader of this connection. A conversation that does not exist has no entries. */
export function makeLogReads(driver: SqlDriver): LogReads {
  const conversationKey = makeFindKey(driver, 'conversations')
  const select = (order: 'ASC' | 'DESC'): SqlStatement<MessageRow> =>
    driver.prepare<MessageRow>(`
      SELECT seq, users.id AS sender, messages.id AS id, at, kind, fields, entries
      FROM messages JOIN users ON users.key = messages.sender
      WHERE conversation = ?1 AND seq > ?2 AND seq <= ${throughRowOf('?3 - 1')}
      ORDER BY seq ${order} LIMIT ?4`)
  const oldestFirst = select('ASC')
  const newestFirst = select('DESC')

  const selectHead = driver.prepare<{ head: number | null }>(
    'SELECT max(seq) AS head FROM messages WHERE conversation = ?',
  )

  const readLog = (conversation: string, range: ReadRange): readonly Entry[] => {
    const key = conversationKey(conversation)
    if (key === undefined) return []
    const isNewestFirst = range.newestFirst === true
    const statement = isNewestFirst ? newestFirst : oldestFirst
    const bytesMax = range.bytesMax ?? Number.POSITIVE_INFINITY
    const entries: Entry[] = []
    let after = range.after ?? 0
    let before = range.before ?? Number.MAX_SAFE_INTEGER
    let bytes = 0
    // Between neighbours there is nothing; a run around them would be read for ever.
    while (after < before - 1) {
      const count = Math.min(range.limit - entries.length, rowsAtOnce)
      const rows = statement.all([key, after, before, count])
      for (const entry of entriesOf(conversation, rows, isNewestFirst)) {
        if (entry.seq <= after || entry.seq >= before) continue
        bytes += Buffer.byteLength(entry.body.fields)
        if (bytes > bytesMax && entries.length > 0) return entries
        entries.push(entry)
        if (entries.length >= range.limit) return entries
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < count) return entries
      if (isNewestFirst) before = last.seq - last.entries + 1
      else after = last.seq
    }
    return entries
  }

  return {
    readLog,
    heads: (conversations) =>
      conversations.map((id) => selectHead.get([conversationKey(id) ?? null])?.head ?? 0),
  }
}

/** SQL: the position of the row that holds a position, of conversation `?1`. */
export function throughRowOf(seq: string): string {
  return `coalesce(
    (SELECT min(seq) FROM messages WHERE conversation = ?1 AND seq >= ${seq}), ${seq})`
}

/** The entries of the rows, in the order of the rows. */
function* entriesOf(
  conversation: string,
  rows: readonly MessageRow[],
  isNewestFirst: boolean,
): Iterable<Entry> {
  for (const row of rows) {
    const { seq, sender: from, at, kind, entries: count } = row
    if (count === 1) {
      const body = { kind, messageId: row.id ?? undefined, fields: row.fields }
      yield { conversation, from, body, seq, at }
      continue
    }
    const first = seq - count + 1
    const run = splitRun(row.fields).map((content, index) => {
      const body = { kind, ...content }
      return { conversation, from, body, seq: first + index, at }
    })
    yield* isNewestFirst ? run.reverse() : run
  }
}
