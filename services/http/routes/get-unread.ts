// GET /v1/unread: the badge, and the conversations with something unread.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { userOf } from '../guards.ts'
import { conversationId, ownProgress, problems } from '../schemas.ts'

const unread = Type.Object(
  {
    badge: Type.Integer({ description: 'The sum over conversations that are not muted now.' }),
    conversations: Type.Array(Type.Object({ conversation: conversationId, ...ownProgress })),
  },
  { description: 'What the caller has not read.', examples: [example()] },
)

export function getUnread(app: HttpInstance, { receipts, requireUser }: RouteParts): void {
  app.get('/v1/unread', {
    onRequest: requireUser,
    schema: {
      operationId: 'getUnread',
      summary: 'Count what I have not read',
      description:
        'Conversations with nothing unread are left out. Devices hear of changes on ' +
        '`u/<me>/event`.',
      tags: ['reading'],
      security: [{ user: [] }],
      response: { 200: unread, ...problems(401, 429) },
    },
    handler: async (request, reply) => {
      const { badge, conversations } = await receipts.list(userOf(request))
      return reply.code(200).send({
        badge,
        conversations: conversations
          .filter(({ unread }) => unread > 0)
          .map(({ conversation, unread, read, mutedUntil }) => ({
            conversation: conversation.id,
            unread,
            read,
            mutedUntil: mutedUntil || null,
          })),
      })
    },
  })
}

function example(): object {
  const conversations = [{ conversation: 'g:team', unread: 3, read: 40, mutedUntil: null }]
  return { badge: 3, conversations }
}
