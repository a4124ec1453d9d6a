// DELETE /v1/groups/:group/members/:user: takes a user out of a group.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { userOf } from '../guards.ts'
import { checkedIds, memberPath, problems } from '../schemas.ts'

export function removeMember(app: HttpInstance, { conversations, requireUser }: RouteParts): void {
  app.delete('/v1/groups/:group/members/:user', {
    onRequest: requireUser,
    schema: {
      operationId: 'removeMember',
      summary: 'Remove a member',
      description:
        'Owners and admins of the group may, and everyone themself. ' +
        'An admin cannot remove an owner.',
      tags: ['groups'],
      security: [{ user: [] }],
      params: memberPath,
      response: {
        204: Type.Null({ description: 'The user is no longer a member.' }),
        ...problems(400, 401, 403, 404, 409),
      },
    },
    handler: async (request, reply) => {
      const { group, user } = checkedIds(request.params)
      await conversations.removeMember({ by: userOf(request), group, user })
      return reply.code(204).send(null)
    },
  })
}
