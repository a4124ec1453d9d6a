// GET /v1/conversations: everything the caller is a member of.

import { Type } from 'typebox'
import { peerOf } from '../../../protocol/envelope.ts'
import type { UnreadConversation } from '../../receipts/lists.ts'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { userOf } from '../guards.ts'
import { groupId, ownProgress, problems, userId } from '../schemas.ts'

const conversation = Type.Object({
  id: Type.String({ description: 'Begins with d: or g:.' }),
  kind: Type.Enum(['direct', 'group']),
  peer: Type.Optional(userId),
  group: Type.Optional(groupId),
  title: Type.Optional(Type.String()),
  role: Type.Enum(['owner', 'admin', 'member']),
  joinedSeq: Type.Integer({ description: 'Entries above this seq are the caller’s to see.' }),
  head: Type.Integer({ description: 'The seq of the newest entry; 0 when there is none.' }),
  ...ownProgress,
})

export function listConversations(app: HttpInstance, { receipts, requireUser }: RouteParts): void {
  app.get('/v1/conversations', {
    onRequest: requireUser,
    schema: {
      operationId: 'listConversations',
      summary: 'List my conversations',
      description: 'Ordered by id. A direct one has `peer`; a group has `group` and `title`.',
      tags: ['history'],
      security: [{ user: [] }],
      response: {
        200: Type.Object(
          { conversations: Type.Array(conversation) },
          {
            description: 'All conversations of the caller.',
            examples: [{ conversations: [directExample(), groupExample()] }],
          },
        ),
        ...problems(401, 429),
      },
    },
    handler: async (request, reply) => {
      const user = userOf(request)
      const { conversations } = await receipts.list(user)
      return reply.code(200).send({ conversations: conversations.map((it) => describe(it, user)) })
    },
  })
}

function describe(
  { conversation, role, joinedSeq, head, unread, read, mutedUntil }: UnreadConversation,
  user: string,
) {
  const { id } = conversation
  const progress = { unread, read, mutedUntil: mutedUntil || null }
  const part = { role, joinedSeq, head, ...progress }
  if (conversation.kind === 'direct') {
    return { id, kind: conversation.kind, peer: peerOf(conversation.users, user), ...part }
  }
  const { kind, group, title } = conversation
  return { id, kind, group, title, ...part }
}

function directExample(): object {
  const id = 'd:kVJzN3yTq0m1cF5hXw2b8A'
  const named = { id, kind: 'direct', peer: 'bob', role: 'member', joinedSeq: 0, head: 12 }
  return { ...named, unread: 2, read: 10, mutedUntil: null }
}

function groupExample(): object {
  const named = { id: 'g:team', kind: 'group', group: 'team', title: 'The team' }
  const part = { role: 'owner', joinedSeq: 0, head: 40 }
  return { ...named, ...part, unread: 0, read: 40, mutedUntil: 1767225600000 }
}
