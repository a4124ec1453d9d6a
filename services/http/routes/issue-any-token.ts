// POST /v1/admin/tokens: a token for any user, without a password; it may open plain topics.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { issuedToken, problems, readGrants, topicGrants, userId } from '../schemas.ts'

export function issueAnyToken(app: HttpInstance, { accounts, requireAdmin }: RouteParts): void {
  app.post('/v1/admin/tokens', {
    onRequest: requireAdmin,
    schema: {
      operationId: 'issueAnyToken',
      summary: 'Issue a token for a user',
      tags: ['administration'],
      security: [{ administrator: [] }],
      body: Type.Object(
        {
          user: userId,
          ttlSeconds: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 31_536_000, description: 'How long it lives, s.' }),
          ),
          topics: Type.Optional(topicGrants),
        },
        { additionalProperties: false, examples: [{ user: 'alice' }] },
      ),
      response: { 201: issuedToken, ...problems(400, 401, 403, 404, 413, 415) },
    },
    handler: async (request, reply) => {
      const { user, ttlSeconds } = request.body
      const topics = readGrants(request.body.topics)
      return reply.code(201).send({ user, ...(await accounts.tokenFor(user, ttlSeconds, topics)) })
    },
  })
}
