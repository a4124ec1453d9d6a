// GET /v1/users/me/settings: what the caller has chosen.

import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { userOf } from '../guards.ts'
import { problems, userSettings } from '../schemas.ts'

export function getSettings(app: HttpInstance, { settings, requireUser }: RouteParts): void {
  app.get('/v1/users/me/settings', {
    onRequest: requireUser,
    schema: {
      operationId: 'getSettings',
      summary: 'Read my settings',
      tags: ['accounts'],
      security: [{ user: [] }],
      response: { 200: userSettings, ...problems(401, 404) },
    },
    handler: async (request, reply) => reply.code(200).send(await settings.get(userOf(request))),
  })
}
