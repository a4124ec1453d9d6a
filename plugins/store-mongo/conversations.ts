// Conversations and their members, as they change. Each change of membership is one transaction
// that writes the conversation too, so that of two at a time, of whatever processes, one begins
// anew and sees what the other did.

import type { Clock } from '../../protocol/clock.ts'
import type { Conversation } from '../../protocol/entry.ts'
import { directConversation, groupConversation } from '../../protocol/ids.ts'
import type { ConversationStore } from '../../services/conversations/ports.ts'
import type { Collections, ConversationDocument } from './collections.ts'
import type { MongoConnection } from './connect.ts'
import { readMsMax } from './connect.ts'
import type { ReadHeads } from './conversation-reads.ts'
import { conversationOf, makeConversationReads } from './conversation-reads.ts'
import { withFailures } from './failures.ts'
import { join } from './joining.ts'

interface ConversationParts extends Pick<MongoConnection, 'transact'> {
  readonly collections: Pick<Collections, 'users' | 'conversations' | 'members' | 'memberships'>
  readonly readHeads: ReadHeads
  readonly clock: Clock
}

/** Makes the store of conversations. */
export function makeConversations(parts: ConversationParts): ConversationStore {
  const { conversations, members } = parts.collections
  return {
    ...makeConversationReads(parts),
    createGroup: (group) => createGroup(parts, group),
    addMember: (group, user) => addMember(parts, groupConversation(group), user),
    removeMember: (group, user) => removeMember(parts, groupConversation(group), user),
    renameGroup: (group, title) =>
      withFailures(async () => {
        const change = { $set: { title: JSON.stringify(title) } }
        const { matchedCount } = await conversations.updateOne(
          { _id: groupConversation(group) },
          change,
        )
        return matchedCount === 1
      }),
    mute: (conversation, user, until) =>
      withFailures(async () => {
        const change = { $set: { mutedUntil: until } }
        return (await members.updateOne({ conversation, user }, change)).matchedCount === 1
      }),
    ensureDirect: (a, b) => ensureDirect(parts, a, b),
  }
}

const once = { maxTimeMS: readMsMax } as const

/** Ends a transaction in which a user turned out not to exist. */
class Stranger extends Error {
  readonly user: string
  constructor(user: string) {
    super('a user does not exist')
    this.user = user
  }
}

function exposeStranger(error: unknown): string {
  if (error instanceof Stranger) return error.user
  throw error
}

interface Making {
  readonly document: ConversationDocument
  readonly users: readonly string[]
  readonly owner?: string
}

/** Makes a conversation with its members, all or nothing. Resolves with the first user that does
 * not exist, if there is one. */
async function make(
  { collections, transact }: ConversationParts,
  { document, users, owner }: Making,
): Promise<'made' | 'exists' | { readonly stranger: string }> {
  const { _id } = document
  const making = transact(async (session) => {
    // It is there, or is being made by another, if this makes none; no error, which would end the
    // transaction.
    const { upsertedCount } = await collections.conversations.updateOne(
      { _id },
      { $setOnInsert: document },
      { session, upsert: true },
    )
    if (upsertedCount === 0) return 'exists'
    const roleOf = (user: string) => (user === owner ? 'owner' : 'member')
    const joining = { conversation: _id, users, roleOf, joinedSeq: 0, session } as const
    const stranger = await join(collections, joining)
    if (stranger !== undefined) throw new Stranger(stranger)
    return 'made'
  })
  return making.catch((error: unknown) => ({ stranger: exposeStranger(error) }))
}

async function createGroup(
  parts: ConversationParts,
  { group, title, owner, members }: Parameters<ConversationStore['createGroup']>[0],
): ReturnType<ConversationStore['createGroup']> {
  const users = [owner, ...members]
  const document: ConversationDocument = {
    _id: groupConversation(group),
    kind: 'group',
    group,
    title: JSON.stringify(title),
    members: users.length,
    createdAt: parts.clock(),
  }
  const made = await make(parts, { document, users, owner })
  if (typeof made === 'object') return { kind: 'unknown-user', user: made.stranger }
  return { kind: made === 'made' ? 'created' : 'exists' }
}

async function ensureDirect(
  parts: ConversationParts,
  a: string,
  b: string,
): Promise<Conversation | undefined> {
  const { conversations } = parts.collections
  const _id = directConversation(a, b)
  const known = await withFailures(() => conversations.findOne({ _id }, once))
  if (known !== null) return conversationOf(known)
  const pair: readonly [string, string] = a < b ? [a, b] : [b, a]
  const users = [...new Set(pair)]
  const document: ConversationDocument = {
    _id,
    kind: 'direct',
    users: pair,
    members: users.length,
    createdAt: parts.clock(),
  }
  const made = await make(parts, { document, users })
  return typeof made === 'object' ? undefined : conversationOf(document)
}

async function addMember(
  { collections, transact, readHeads }: ConversationParts,
  conversation: string,
  user: string,
): ReturnType<ConversationStore['addMember']> {
  const adding = transact(async (session) => {
    const { conversations, members } = collections
    const options = { session, projection: { _id: 1 }, ...once }
    const _id = conversation
    if ((await members.findOne({ conversation, user }, options)) !== null) return 'already'
    const { matchedCount } = await conversations.updateOne(
      { _id },
      { $inc: { members: 1 } },
      { session },
    )
    if (matchedCount === 0) return 'unknown-group'
    // Not by the session: a head of the snapshot may be old.
    const [joinedSeq = 0] = await readHeads([conversation])
    const roleOf = () => 'member' as const
    const joining = { conversation, users: [user], roleOf, joinedSeq, session }
    const stranger = await join(collections, joining)
    if (stranger !== undefined) throw new Stranger(stranger)
    return 'added'
  })
  return adding.catch((error: unknown) => {
    exposeStranger(error)
    return 'unknown-user'
  })
}

async function removeMember(
  { collections, transact }: ConversationParts,
  conversation: string,
  user: string,
): ReturnType<ConversationStore['removeMember']> {
  const { conversations, members, memberships } = collections
  return transact(async (session) => {
    const options = { session, projection: { _id: 0, role: 1 }, ...once }
    const member = await members.findOne({ conversation, user }, options)
    if (member === null) return 'not-a-member'
    const others = { conversation, user: { $ne: user } }
    if (member.role === 'owner' && (await members.findOne(others, options)) !== null) {
      const owner = await members.findOne({ ...others, role: 'owner' }, options)
      if (owner === null) return 'last-owner'
    }
    await conversations.updateOne({ _id: conversation }, { $inc: { members: -1 } }, { session })
    await members.deleteOne({ conversation, user }, { session })
    // With the cursors of the user's devices.
    await memberships.deleteOne({ user, conversation }, { session })
    return 'removed'
  })
}
