// POST /v1/admin/groups: makes a group for others; the first member named owns it.

import { Type } from 'typebox'
import { groupMembersAtOnceMax } from '../../../protocol/limits.ts'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { groupBodyBytesMax } from '../limits.ts'
import { groupId, groupTitle, madeGroup, problems, userId } from '../schemas.ts'

export function createAnyGroup(
  app: HttpInstance,
  { conversations, requireAdmin }: RouteParts,
): void {
  app.post('/v1/admin/groups', {
    onRequest: requireAdmin,
    bodyLimit: groupBodyBytesMax,
    schema: {
      operationId: 'createAnyGroup',
      summary: 'Make a group for others',
      description: 'The first member named owns it.',
      tags: ['administration'],
      security: [{ administrator: [] }],
      body: Type.Object(
        {
          group: groupId,
          title: Type.Optional(groupTitle),
          members: Type.Array(userId, { minItems: 1, maxItems: groupMembersAtOnceMax }),
        },
        {
          additionalProperties: false,
          examples: [{ group: 'team', title: 'The team', members: ['alice', 'bob'] }],
        },
      ),
      response: { 201: madeGroup, ...problems(400, 401, 403, 404, 409, 413, 415) },
    },
    handler: async (request, reply) => {
      const { group, title, members } = request.body
      const made = await conversations.createGroup({ by: undefined, group, title, members })
      return reply.code(201).send({ conversation: made.id, group: made.group, title: made.title })
    },
  })
}
