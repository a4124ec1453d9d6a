// DELETE /v1/groups/:group/members/:user: takes a user out of a group.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { userOf } from '../guards.ts'
import { checkIdParameter, problems } from '../schemas.ts'

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
      params: Type.Object({
        group: Type.String({ description: "The group's id.", examples: ['team'] }),
        user: Type.String({ description: "The user's id.", examples: ['bob'] }),
      }),
      response: {
        204: Type.Null({ description: 'The user is no longer a member.' }),
        ...problems(400, 401, 403, 404, 409),
      },
    },
    handler: async (request, reply) => {
      const { group, user } = request.params
      checkIdParameter('group', group)
      checkIdParameter('user', user)
      await conversations.removeMember({ by: userOf(request), group, user })
      return reply.code(204).send(null)
    },
  })
}
