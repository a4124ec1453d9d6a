// Watermarks of members, and what is counted with them: see services/receipts/ports.ts.

import { uncountedKinds } from '../../protocol/kinds.ts'
import type {
  CountRange,
  MarkUpdate,
  ReceiptStore,
  Tally,
  VisibleMark,
} from '../../services/receipts/ports.ts'
import type { SqlDriver } from './driver.ts'
import { makeFindKey } from './keys.ts'
import { throughRowOf } from './read-log.ts'
import type { Transact } from './transaction.ts'

/** The writing half of `ReceiptStore`. `at` is the time, ms since the epoch. */
export interface ReceiptWrites {
  raiseReceipts(marks: readonly MarkUpdate[], at: number): void
}

/** The reading half of `ReceiptStore`. */
export interface ReceiptReads {
  countEntries(range: CountRange): number
  marksOf(conversation: string, limit: number): readonly VisibleMark[]
  tally(question: Parameters<ReceiptStore['tally']>[0]): Tally
  changedFor(
    ...question: Parameters<ReceiptStore['changedFor']>
  ): readonly (VisibleMark & { readonly conversation: string })[]
  devicesIn(
    conversation: string,
    user: string,
  ): readonly { readonly device: string; readonly acked: number }[]
}

export function makeReceiptWrites(driver: SqlDriver, transact: Transact): ReceiptWrites {
  const conversationKey = makeFindKey(driver, 'conversations')
  const selectHides = driver.prepare<{ hides: number }>(
    'SELECT hides_reads AS hides FROM users WHERE id = ?',
  )
  const raise = driver.prepare(`
    UPDATE members
    SET delivered = max(delivered, ?), read = max(read, ?),
      receipt_at = CASE WHEN delivered < ? OR read < ? THEN ? ELSE receipt_at END
    WHERE conversation = ? AND user = ? AND joined_seq = ? AND (delivered < ? OR read < ?)`)
  return {
    raiseReceipts(marks, at) {
      transact(() => {
        for (const { conversation, user, joinedSeq, read, ...mark } of marks) {
          const key = conversationKey(conversation) ?? null
          // What is hidden must not show in anything that others may see.
          const shown = selectHides.get([user])?.hides === 1 ? 0 : read
          const delivered = Math.max(mark.delivered, shown)
          const moved = [delivered, shown, at]
          raise.run([delivered, read, ...moved, key, user, joinedSeq, delivered, read])
        }
      })
    },
  }
}

/** What others may see of the member row `m` whose user is the row `u`. */
const visibleRead = 'CASE WHEN u.hides_reads = 1 THEN 0 ELSE m.read END'
/** What was read while it was hidden has raised `delivered` in no row. */
const visibleDelivered = `max(m.delivered, ${visibleRead})`
const visibleMark = `m.user, ${visibleDelivered} AS delivered, ${visibleRead} AS read`

export function makeReceiptReads(driver: SqlDriver): ReceiptReads {
  const conversationKey = makeFindKey(driver, 'conversations')
  const userKey = makeFindKey(driver, 'users')
  const selectCount = driver.prepare<{ count: number }>(`
    SELECT coalesce(sum(min(seq, ?3) - max(seq - entries, ?2)), 0) AS count FROM messages
    WHERE conversation = ?1 AND seq > ?2 AND seq <= ${throughRowOf('?3')} AND sender <> ?4
      AND kind NOT IN (${uncountedKinds.map((kind) => `'${kind}'`).join(', ')})`)
  const selectMarks = driver.prepare<VisibleMark>(`
    SELECT ${visibleMark} FROM members m JOIN users u ON u.id = m.user
    WHERE m.conversation = ? ORDER BY m.user LIMIT ?`)
  const selectTally = driver.prepare<Tally>(`
    SELECT count(*) AS members,
      coalesce(sum(${visibleDelivered} >= ?), 0) AS delivered,
      coalesce(sum(${visibleRead} >= ?), 0) AS read
    FROM members m JOIN users u ON u.id = m.user
    WHERE m.conversation = ? AND m.user <> ? AND m.joined_seq < ?`)
  const selectChanged = driver.prepare<VisibleMark & { readonly conversation: string }>(`
    SELECT c.id AS conversation, ${visibleMark}
    FROM devices d
    JOIN members mine ON mine.user = d.user
    JOIN conversations c ON c.key = mine.conversation AND c.members <= ?
    JOIN members m
      ON m.conversation = c.key AND m.user <> d.user AND m.receipt_at > d.last_seen - ?
    JOIN users u ON u.id = m.user
    WHERE d.user = ? AND d.device = ?
    ORDER BY m.receipt_at DESC LIMIT ?`)
  const selectDevices = driver.prepare<{ device: string; acked: number }>(`
    SELECT d.device, cursors.acked
    FROM devices d JOIN cursors ON cursors.device = d.key
    WHERE cursors.conversation = ? AND d.user = ? ORDER BY d.device`)
  return {
    countEntries({ conversation, user, after, through }) {
      const key = conversationKey(conversation)
      const sender = userKey(user)
      if (key === undefined || sender === undefined) return 0
      return selectCount.get([key, after, through, sender])?.count ?? 0
    },
    marksOf: (conversation, limit) =>
      selectMarks.all([conversationKey(conversation) ?? null, limit]).map(markOf),
    tally({ conversation, user = '', seq }) {
      const found = selectTally.get([seq, seq, conversationKey(conversation) ?? null, user, seq])
      const { members = 0, delivered = 0, read = 0 } = found ?? {}
      return { members, delivered, read }
    },
    changedFor: ({ user, device }, { membersMax, slackMs, limit }) =>
      selectChanged
        .all([membersMax, slackMs, user, device, limit])
        .map(({ conversation, ...mark }) => ({ conversation, ...markOf(mark) })),
    devicesIn: (conversation, user) =>
      selectDevices
        .all([conversationKey(conversation) ?? null, user])
        .map(({ device, acked }) => ({ device, acked })),
  }
}

/** The row as a plain object: rows of some engines have no prototype. */
function markOf({ user, delivered, read }: VisibleMark): VisibleMark {
  return { user, delivered, read }
}
