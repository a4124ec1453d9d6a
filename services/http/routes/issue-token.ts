// POST /v1/auth/token: a token for a user and password.

import { Type } from 'typebox'
import { passwordLengthMax } from '../../auth/passwords.ts'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { issuedToken, problems, userId } from '../schemas.ts'

export function issueToken(app: HttpInstance, { accounts, rateLimits }: RouteParts): void {
  app.post('/v1/auth/token', {
    config: { rateLimit: { max: rateLimits.token, timeWindow: 60_000 } },
    schema: {
      operationId: 'issueToken',
      summary: 'Log in',
      description: 'An unknown user and a wrong password are answered alike.',
      tags: ['accounts'],
      body: Type.Object(
        { user: userId, password: Type.String({ minLength: 1, maxLength: passwordLengthMax }) },
        {
          additionalProperties: false,
          examples: [{ user: 'alice', password: 'correct horse battery staple' }],
        },
      ),
      response: { 200: issuedToken, ...problems(400, 401, 413, 415, 429) },
    },
    handler: async (request, reply) => {
      const { user, password } = request.body
      return reply.code(200).send({ user, ...(await accounts.login(user, password)) })
    },
  })
}
