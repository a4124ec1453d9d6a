// Reading the log: ranges of one conversation's entries, bounded by number and by bytes.

import type { Entry } from '../../protocol/entry.ts'
import type { ReadRange } from '../../services/log/ports.ts'
import type { SqlDriver, SqlStatement } from './driver.ts'
import { makeFindKey } from './keys.ts'

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
}

/** Rows fetched at a time when bytes are bounded, so that little is read in vain. */
const rowsAtOnce = 64

/** Makes the reader of this connection. A conversation that does not exist has no entries. */
export function makeLogReads(driver: SqlDriver): LogReads {
  const conversationKey = makeFindKey(driver, 'conversations')
  const select = (order: 'ASC' | 'DESC'): SqlStatement<MessageRow> =>
    driver.prepare<MessageRow>(`
      SELECT seq, users.id AS sender, messages.id AS id, at, kind, fields
      FROM messages JOIN users ON users.key = messages.sender
      WHERE conversation = ? AND seq > ? AND seq < ?
      ORDER BY seq ${order} LIMIT ?`)
  const oldestFirst = select('ASC')
  const newestFirst = select('DESC')

  const selectHead = driver.prepare<{ head: number | null }>(
    'SELECT max(seq) AS head FROM messages WHERE conversation = ?',
  )

  const readLog = (conversation: string, range: ReadRange): readonly Entry[] => {
    const key = conversationKey(conversation)
    if (key === undefined) return []
    const statement = range.newestFirst === true ? newestFirst : oldestFirst
    const bytesMax = range.bytesMax ?? Number.POSITIVE_INFINITY
    const entries: Entry[] = []
    let after = range.after ?? 0
    let before = range.before ?? Number.MAX_SAFE_INTEGER
    let bytes = 0
    for (;;) {
      const wanted = range.limit - entries.length
      const count = range.bytesMax === undefined ? wanted : Math.min(wanted, rowsAtOnce)
      const rows = statement.all([key, after, before, count])
      for (const row of rows) {
        bytes += Buffer.byteLength(row.fields)
        if (bytes > bytesMax && entries.length > 0) return entries
        entries.push(entryOf(conversation, row))
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < count || entries.length >= range.limit) return entries
      if (statement === newestFirst) before = last.seq
      else after = last.seq
    }
  }

  return {
    readLog,
    heads: (conversations) =>
      conversations.map((id) => selectHead.get([conversationKey(id) ?? null])?.head ?? 0),
  }
}

function entryOf(conversation: string, row: MessageRow): Entry {
  return {
    conversation,
    from: row.sender,
    body: { kind: row.kind, messageId: row.id ?? undefined, fields: row.fields },
    seq: row.seq,
    at: row.at,
  }
}
