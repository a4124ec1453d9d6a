// Conversations and their members, as they are read: the reading half of `ConversationStore`.

import type { Conversation } from '../../protocol/entry.ts'
import { directConversation } from '../../protocol/ids.ts'
import type { Membership, Role } from '../../services/conversations/ports.ts'
import type { SqlDriver } from './driver.ts'

/** See `ConversationStore`. `findDirect` is the part of `ensureDirect` that writes nothing. */
export interface ConversationReads {
  findDirect(a: string, b: string): Conversation | undefined
  membership(conversation: string, user: string): Membership | undefined
  membershipsOf(user: string): readonly Membership[]
  membersOf(
    conversation: string,
    page: { readonly limit: number; readonly after?: string },
  ): readonly { readonly user: string; readonly role: Role }[]
}

interface ConversationRow {
  readonly id: string
  readonly kind: 'direct' | 'group'
  readonly group_id: string
  readonly title: string
  readonly first_user: string
  readonly second_user: string
}

interface MembershipRow extends ConversationRow {
  readonly role: Role
  readonly joined_seq: number
  readonly head: number
  readonly members: number
  readonly delivered: number
  readonly read: number
  readonly muted_until: number
  readonly hides_reads: number
}

const conversationColumns = 'c.id, c.kind, c.group_id, c.title, c.first_user, c.second_user'
const membershipQuery = `
  SELECT ${conversationColumns}, c.members, m.role, m.joined_seq, m.delivered, m.read,
    m.muted_until, (SELECT hides_reads FROM users WHERE id = m.user) AS hides_reads,
    (SELECT coalesce(max(seq), 0) FROM messages WHERE conversation = c.key) AS head
  FROM members m JOIN conversations c ON c.key = m.conversation`

export function makeConversationReads(driver: SqlDriver): ConversationReads {
  const selectDirect = driver.prepare<ConversationRow>(
    `SELECT ${conversationColumns} FROM conversations c WHERE c.id = ?`,
  )
  const selectOne = driver.prepare<MembershipRow>(
    `${membershipQuery} WHERE c.id = ? AND m.user = ?`,
  )
  const selectAll = driver.prepare<MembershipRow>(
    `${membershipQuery} WHERE m.user = ? ORDER BY c.id`,
  )
  const selectMembers = driver.prepare<{ user: string; role: Role }>(`
    SELECT user, role FROM members
    WHERE conversation = (SELECT key FROM conversations WHERE id = ?) AND user > ?
    ORDER BY user LIMIT ?`)
  return {
    findDirect(a, b) {
      const row = selectDirect.get([directConversation(a, b)])
      return row === undefined ? undefined : conversationOf(row)
    },
    membership(conversation, user) {
      const row = selectOne.get([conversation, user])
      return row === undefined ? undefined : membershipOf(row)
    },
    membershipsOf: (user) => selectAll.all([user]).map(membershipOf),
    membersOf: (conversation, { limit, after }) =>
      // No id is empty, so every id is greater than the empty text.
      selectMembers
        .all([conversation, after ?? '', limit])
        .map(({ user, role }) => ({ user, role })),
  }
}

function conversationOf(row: ConversationRow): Conversation {
  if (row.kind === 'direct') {
    return { kind: 'direct', id: row.id, users: [row.first_user, row.second_user] }
  }
  const title = JSON.parse(row.title) as string
  return { kind: 'group', id: row.id, group: row.group_id, title }
}

function membershipOf(row: MembershipRow): Membership {
  return {
    conversation: conversationOf(row),
    role: row.role,
    joinedSeq: row.joined_seq,
    head: row.head,
    members: row.members,
    delivered: row.delivered,
    read: row.read,
    mutedUntil: row.muted_until,
    hidesReads: row.hides_reads === 1,
  }
}
