// Conversations and their members, as they change: the writing half of `ConversationStore`. Each
// operation is one transaction.

import { directConversation, groupConversation } from '../../protocol/ids.ts'
import type { NewGroup, Role } from '../../services/conversations/ports.ts'
import type { SqlDriver } from './driver.ts'
import type { Transact } from './transaction.ts'

/** See `ConversationStore`. `createDirect` says whether the conversation exists afterwards; it does
 * not when one of the users does not. `at` is the time, ms since the epoch. */
export interface ConversationWrites {
  createGroup(
    group: NewGroup,
    at: number,
  ): { readonly kind: 'created' | 'exists' } | { readonly kind: 'unknown-user'; user: string }
  addMember(group: string, user: string): 'added' | 'already' | 'unknown-group' | 'unknown-user'
  removeMember(group: string, user: string): 'removed' | 'not-a-member' | 'last-owner'
  renameGroup(group: string, title: string): boolean
  mute(conversation: string, user: string, until: number): boolean
  createDirect(a: string, b: string, at: number): boolean
}

export function makeConversationWrites(driver: SqlDriver, transact: Transact): ConversationWrites {
  const tables = makeTables(driver)
  const { findConversation, addToMembers, userExists } = tables
  return {
    createGroup: (group, at) =>
      transact(() => {
        const id = groupConversation(group.group)
        if (findConversation(id) !== undefined) return { kind: 'exists' }
        const users = [group.owner, ...group.members]
        const stranger = users.find((user) => !userExists(user))
        if (stranger !== undefined) return { kind: 'unknown-user', user: stranger }
        const key = tables.addGroup(id, group, at)
        for (const [index, user] of users.entries()) {
          addToMembers({ key, user, role: index === 0 ? 'owner' : 'member', joinedSeq: 0 })
        }
        return { kind: 'created' }
      }),
    addMember: (group, user) =>
      transact(() => {
        const key = findConversation(groupConversation(group))
        if (key === undefined) return 'unknown-group'
        if (!userExists(user)) return 'unknown-user'
        if (tables.roleOf(key, user) !== undefined) return 'already'
        addToMembers({ key, user, role: 'member', joinedSeq: tables.headOf(key) })
        return 'added'
      }),
    removeMember: (group, user) =>
      transact(() => {
        const key = findConversation(groupConversation(group))
        const role = key === undefined ? undefined : tables.roleOf(key, user)
        if (key === undefined || role === undefined) return 'not-a-member'
        if (role === 'owner' && tables.isNeededAsOwner(key, user)) return 'last-owner'
        tables.removeFromMembers(key, user)
        return 'removed'
      }),
    renameGroup: (group, title) =>
      transact(() => tables.rename(groupConversation(group), title) === 1),
    mute: (conversation, user, until) =>
      transact(() => tables.mute({ conversation, user, until }) === 1),
    createDirect: (a, b, at) =>
      transact(() => {
        const id = directConversation(a, b)
        if (findConversation(id) !== undefined) return true
        if (!userExists(a) || !userExists(b)) return false
        const users: readonly [string, string] = a < b ? [a, b] : [b, a]
        const key = tables.addDirect(id, users, at)
        for (const user of new Set(users)) {
          addToMembers({ key, user, role: 'member', joinedSeq: 0 })
        }
        return true
      }),
  }
}

interface NewMember {
  readonly key: number
  readonly user: string
  readonly role: Role
  readonly joinedSeq: number
}

/** The statements, as functions. */
function makeTables(driver: SqlDriver) {
  const selectKey = driver.prepare<{ key: number }>('SELECT key FROM conversations WHERE id = ?')
  const selectUser = driver.prepare('SELECT 1 FROM users WHERE id = ?')
  const insertGroup = driver.prepare<{ key: number }>(`
    INSERT INTO conversations (id, kind, group_id, title, created_at)
    VALUES (?, 'group', ?, ?, ?) RETURNING key`)
  const insertDirect = driver.prepare<{ key: number }>(`
    INSERT INTO conversations (id, kind, first_user, second_user, created_at)
    VALUES (?, 'direct', ?, ?, ?) RETURNING key`)
  const insertMember = driver.prepare(
    'INSERT INTO members (conversation, user, role, joined_seq) VALUES (?, ?, ?, ?)',
  )
  const selectRole = driver.prepare<{ role: Role }>(
    'SELECT role FROM members WHERE conversation = ? AND user = ?',
  )
  const selectHead = driver.prepare<{ head: number }>(
    'SELECT coalesce(max(seq), 0) AS head FROM messages WHERE conversation = ?',
  )
  const selectOthers = driver.prepare<{ others: number; owners: number }>(`
    SELECT count(*) AS others, coalesce(sum(role = 'owner'), 0) AS owners
    FROM members WHERE conversation = ? AND user <> ?`)
  const countMembers = driver.prepare(
    'UPDATE conversations SET members = members + ? WHERE key = ?',
  )
  const updateTitle = driver.prepare('UPDATE conversations SET title = ? WHERE id = ?')
  const updateMute = driver.prepare(`
    UPDATE members SET muted_until = ?
    WHERE conversation = (SELECT key FROM conversations WHERE id = ?) AND user = ?`)
  const deleteMember = driver.prepare('DELETE FROM members WHERE conversation = ? AND user = ?')
  const deleteCursors = driver.prepare(`
    DELETE FROM cursors
    WHERE conversation = ? AND device IN (SELECT key FROM devices WHERE user = ?)`)
  return {
    findConversation: (id: string) => selectKey.get([id])?.key,
    userExists: (user: string) => selectUser.get([user]) !== undefined,
    roleOf: (key: number, user: string) => selectRole.get([key, user])?.role,
    headOf: (key: number) => mustReturn(selectHead.all([key])).head,
    addGroup: (id: string, { group, title }: NewGroup, at: number) =>
      mustReturn(insertGroup.all([id, group, JSON.stringify(title), at])).key,
    addDirect: (id: string, [first, second]: readonly [string, string], at: number) =>
      mustReturn(insertDirect.all([id, first, second, at])).key,
    addToMembers({ key, user, role, joinedSeq }: NewMember) {
      insertMember.run([key, user, role, joinedSeq])
      countMembers.run([1, key])
    },
    rename: (id: string, title: string) => updateTitle.run([JSON.stringify(title), id]).changes,
    mute: (it: { readonly conversation: string; readonly user: string; readonly until: number }) =>
      updateMute.run([it.until, it.conversation, it.user]).changes,
    isNeededAsOwner(key: number, user: string) {
      const { others, owners } = mustReturn(selectOthers.all([key, user]))
      return others > 0 && owners === 0
    },
    removeFromMembers(key: number, user: string) {
      deleteCursors.run([key, user])
      deleteMember.run([key, user])
      countMembers.run([-1, key])
    },
  }
}

function mustReturn<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined) throw new Error('a statement that returns one row returned none')
  return row
}
