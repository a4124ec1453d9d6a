// PUT /v1/groups/:group/members/:user: joins a user to a group.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { userOf } from '../guards.ts'
import { checkedIds, memberPath, problems } from '../schemas.ts'

export function addMember(app: HttpInstance, { conversations, requireUser }: RouteParts): void {
  app.put('/v1/groups/:group/members/:user', {
    onRequest: requireUser,
    schema: {
      operationId: 'addMember',
      summary: 'Add a member',
      description: 'Owners and admins of the group may. Adding a member again changes nothing.',
      tags: ['groups'],
      security: [{ user: [] }],
      params: memberPath,
      response: {
        204: Type.Null({ description: 'The user is a member.' }),
        ...problems(400, 401, 403, 404),
      },
    },
    handler: async (request, reply) => {
      const { group, user } = checkedIds(request.params)
      await conversations.addMember({ by: userOf(request), group, user })
      return reply.code(204).send(null)
    },
  })
}
