// PUT /v1/conversations/:conversation/mute: leaves a conversation out of the caller's badge.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { userOf } from '../guards.ts'
import { checkConversationParameter, conversationPath, problems } from '../schemas.ts'

export function muteConversation(app: HttpInstance, { receipts, requireUser }: RouteParts): void {
  app.put('/v1/conversations/:conversation/mute', {
    onRequest: requireUser,
    schema: {
      operationId: 'muteConversation',
      summary: 'Mute a conversation',
      description:
        'Until a time, ms since the epoch; null, or a time that has passed, ends it. What is ' +
        'unread in it is still counted, but not in the badge.',
      tags: ['reading'],
      security: [{ user: [] }],
      params: conversationPath,
      body: Type.Object(
        {
          until: Type.Union([
            Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
            Type.Null(),
          ]),
        },
        { additionalProperties: false, examples: [{ until: 1767225600000 }] },
      ),
      response: {
        204: Type.Null({ description: 'The conversation is muted, or not any more.' }),
        ...problems(400, 401, 404, 413, 415),
      },
    },
    handler: async (request, reply) => {
      const { conversation } = request.params
      checkConversationParameter(conversation)
      await receipts.mute({ user: userOf(request), conversation, until: request.body.until })
      return reply.code(204).send(null)
    },
  })
}
