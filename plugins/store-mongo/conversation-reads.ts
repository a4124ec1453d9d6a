// Conversations and their members, as they are read: each question is a few queries, which go to
// the shards that can answer.

import type { Conversation } from '../../protocol/entry.ts'
import type { ConversationStore, Membership } from '../../services/conversations/ports.ts'
import type { Collections, ConversationDocument, MemberDocument } from './collections.ts'
import { readMsMax } from './connect.ts'
import { withFailures } from './failures.ts'
import { piecesOf } from './pieces.ts'

/** The heads of conversations, in their order; see `LogStore.heads`. */
export type ReadHeads = (conversations: readonly string[]) => Promise<readonly number[]>

type Needed = Pick<Collections, 'conversations' | 'members' | 'memberships'>
type Reads = Pick<ConversationStore, 'membership' | 'membershipsOf' | 'membersOf'>

interface ReadParts {
  readonly collections: Needed
  readonly readHeads: ReadHeads
}

/** Makes the reading half of `ConversationStore`. */
export function makeConversationReads({ collections, readHeads }: ReadParts): Reads {
  const { conversations, members, memberships } = collections
  /** The user's memberships in these conversations. A membership that has just ended is none:
   * `members` decides. */
  const membershipsIn = async (user: string, ids: readonly string[]): Promise<Membership[]> => {
    const some = { $in: [...ids] }
    const [found, marks, heads] = await Promise.all([
      conversations.find({ _id: some }, { maxTimeMS: readMsMax }).toArray(),
      members.find({ conversation: some, user }, { maxTimeMS: readMsMax }).toArray(),
      readHeads(ids),
    ])
    const byId = new Map(found.map((conversation) => [conversation._id, conversation]))
    const marksOf = new Map(marks.map((member) => [member.conversation, member]))
    return ids.flatMap((id, index) => {
      const [conversation, member] = [byId.get(id), marksOf.get(id)]
      if (conversation === undefined || member === undefined) return []
      return [membershipOf(conversation, member, heads[index] ?? 0)]
    })
  }

  return {
    membership: (conversation, user) =>
      withFailures(async () => (await membershipsIn(user, [conversation]))[0]),
    membershipsOf: (user) =>
      withFailures(async () => {
        const ids = await conversationsOf({ memberships }, user)
        const all: Membership[] = []
        for (const some of piecesOf(ids)) all.push(...(await membershipsIn(user, some)))
        return all
      }),
    membersOf: (conversation, { limit, after }) =>
      withFailures(() =>
        members
          .find(after === undefined ? { conversation } : { conversation, user: { $gt: after } }, {
            projection: { _id: 0, user: 1, role: 1 },
            sort: { conversation: 1, user: 1 },
            limit,
            maxTimeMS: readMsMax,
          })
          .toArray(),
      ),
  }
}

/** The ids of a user's conversations, in their order. */
export async function conversationsOf(
  { memberships }: Pick<Collections, 'memberships'>,
  user: string,
): Promise<readonly string[]> {
  const options = {
    projection: { _id: 0, conversation: 1 },
    sort: { user: 1, conversation: 1 },
    maxTimeMS: readMsMax,
  } as const
  const found = await memberships.find({ user }, options).toArray()
  return found.map(({ conversation }) => conversation)
}

export function conversationOf(document: ConversationDocument): Conversation {
  const { _id: id, users, group, title } = document
  if (users !== undefined) return { kind: 'direct', id, users: [users[0], users[1]] }
  return { kind: 'group', id, group: group ?? '', title: JSON.parse(title ?? '""') as string }
}

function membershipOf(
  conversation: ConversationDocument,
  member: MemberDocument,
  head: number,
): Membership {
  const { role, joinedSeq, delivered, read, mutedUntil, hidesReads } = member
  return {
    conversation: conversationOf(conversation),
    role,
    joinedSeq,
    head,
    members: conversation.members,
    delivered,
    read,
    mutedUntil,
    hidesReads,
  }
}
