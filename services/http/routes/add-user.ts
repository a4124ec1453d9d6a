// POST /v1/admin/users: makes a user, with a password or without.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { newPassword, problems, userId } from '../schemas.ts'

export function addUser(app: HttpInstance, { accounts, requireAdmin }: RouteParts): void {
  app.post('/v1/admin/users', {
    onRequest: requireAdmin,
    schema: {
      operationId: 'addUser',
      summary: 'Add a user',
      description: 'Without a password, only POST /v1/admin/tokens gives tokens for the user.',
      tags: ['administration'],
      security: [{ administrator: [] }],
      body: Type.Object(
        { user: userId, password: Type.Optional(newPassword) },
        { additionalProperties: false, examples: [{ user: 'alice' }] },
      ),
      response: {
        201: Type.Object(
          { user: userId },
          { description: 'The user was made.', examples: [{ user: 'alice' }] },
        ),
        ...problems(400, 401, 403, 409, 413, 415, 429),
      },
    },
    handler: async (request, reply) => {
      const { user, password } = request.body
      await accounts.addUser(user, password)
      return reply.code(201).send({ user })
    },
  })
}
