// POST /v1/groups: makes a group that the caller owns.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { userOf } from '../guards.ts'
import { groupBodyBytesMax } from '../limits.ts'
import { groupId, groupMembers, groupTitle, madeGroup, problems } from '../schemas.ts'

export function createGroup(app: HttpInstance, { conversations, requireUser }: RouteParts): void {
  app.post('/v1/groups', {
    onRequest: requireUser,
    bodyLimit: groupBodyBytesMax,
    schema: {
      operationId: 'createGroup',
      summary: 'Make a group',
      description: 'The caller owns it. Without `group` the server chooses an id.',
      tags: ['groups'],
      security: [{ user: [] }],
      body: Type.Object(
        {
          group: Type.Optional(groupId),
          title: Type.Optional(groupTitle),
          members: groupMembers,
        },
        {
          additionalProperties: false,
          examples: [{ group: 'team', title: 'The team', members: ['bob', 'carol'] }],
        },
      ),
      response: { 201: madeGroup, ...problems(400, 401, 404, 409, 413, 415) },
    },
    handler: async (request, reply) => {
      const { group, title, members } = request.body
      const made = await conversations.createGroup({ by: userOf(request), group, title, members })
      return reply.code(201).send({ conversation: made.id, group: made.group, title: made.title })
    },
  })
}
