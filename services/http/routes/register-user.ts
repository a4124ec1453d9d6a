// POST /v1/auth/register: makes a user with a password, and gives a first token.

import { Type } from 'typebox'
import { Refusal } from '../../../protocol/errors.ts'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { issuedToken, newPassword, problems, userId } from '../schemas.ts'

export function registerUser(app: HttpInstance, parts: RouteParts): void {
  const { accounts, registration, rateLimits } = parts
  app.post('/v1/auth/register', {
    config: { rateLimit: { max: rateLimits.register, timeWindow: 60_000 } },
    schema: {
      operationId: 'registerUser',
      summary: 'Register',
      description: 'Makes a user. Refused with `not-authorized` where registration is closed.',
      tags: ['accounts'],
      body: Type.Object(
        { user: userId, password: newPassword },
        {
          additionalProperties: false,
          examples: [{ user: 'alice', password: 'correct horse battery staple' }],
        },
      ),
      response: { 201: issuedToken, ...problems(400, 403, 409, 413, 415, 429) },
    },
    handler: async (request, reply) => {
      if (registration === 'closed') {
        throw new Refusal('not-authorized', 'Registration is closed; ask an administrator.')
      }
      const { user, password } = request.body
      const issued = await accounts.register(user, password)
      return reply.code(201).send({ user, ...issued })
    },
  })
}
