// PATCH /v1/users/me/settings: changes what the caller has chosen.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { userOf } from '../guards.ts'
import { problems, userSettings } from '../schemas.ts'

export function updateSettings(app: HttpInstance, { settings, requireUser }: RouteParts): void {
  app.patch('/v1/users/me/settings', {
    onRequest: requireUser,
    schema: {
      operationId: 'updateSettings',
      summary: 'Change my settings',
      description:
        'What is not given stays. With `readReceipts` nobody, others see what was delivered to ' +
        'me and not what I have read.',
      tags: ['accounts'],
      security: [{ user: [] }],
      body: Type.Object(Type.Partial(userSettings).properties, {
        additionalProperties: false,
        examples: [{ readReceipts: 'nobody' }],
      }),
      response: { 200: userSettings, ...problems(400, 401, 404, 413, 415) },
    },
    handler: async (request, reply) =>
      reply.code(200).send(await settings.update(userOf(request), request.body)),
  })
}
