// PATCH /v1/groups/:group: gives a group another title.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { userOf } from '../guards.ts'
import { checkedIds, groupPath, groupTitle, namedGroup, problems } from '../schemas.ts'

export function renameGroup(app: HttpInstance, { conversations, requireUser }: RouteParts): void {
  app.patch('/v1/groups/:group', {
    onRequest: requireUser,
    schema: {
      operationId: 'renameGroup',
      summary: 'Rename a group',
      description: 'Owners and admins of the group may. Connected members get an event.',
      tags: ['groups'],
      security: [{ user: [] }],
      params: groupPath,
      body: Type.Object(
        { title: groupTitle },
        { additionalProperties: false, examples: [{ title: 'The whole team' }] },
      ),
      response: {
        200: namedGroup('The group with its new title.'),
        ...problems(400, 401, 403, 404, 413, 415),
      },
    },
    handler: async (request, reply) => {
      const { group } = checkedIds(request.params)
      const { title } = request.body
      const renamed = await conversations.renameGroup({ by: userOf(request), group, title })
      return reply.code(200).send({ conversation: renamed.id, group, title })
    },
  })
}
