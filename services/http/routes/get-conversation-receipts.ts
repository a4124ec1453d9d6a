// GET /v1/conversations/:conversation/receipts: how far an entry has come.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { userOf } from '../guards.ts'
import { checkConversationParameter, conversationPath, problems, userId } from '../schemas.ts'

const description = `How many other members have the entry at \`seq\` on a device, and how many
have read it, among those who joined before it. In a conversation of few members also how far each
of them is; \`read\` is 0 for who hides it. \`devices\` are the caller's own.`

const report = Type.Object(
  {
    seq: Type.Integer({ description: 'The entry; the newest one if the request named none.' }),
    members: Type.Integer({ description: 'Other members who may see the entry.' }),
    delivered: Type.Integer({ description: 'How many of them have it on a device.' }),
    read: Type.Integer({ description: 'How many of them have read it.' }),
    list: Type.Optional(
      Type.Array(
        Type.Object({
          user: userId,
          delivered: Type.Integer({ description: 'Up to which seq.' }),
          read: Type.Integer({ description: 'Up to which seq.' }),
        }),
      ),
    ),
    devices: Type.Array(
      Type.Object({
        device: Type.String(),
        acked: Type.Integer({ description: 'Up to which seq the device has acknowledged.' }),
      }),
    ),
  },
  { description: 'How far the entry has come.', examples: [example()] },
)

export function getConversationReceipts(
  app: HttpInstance,
  { receipts, requireUser }: RouteParts,
): void {
  app.get('/v1/conversations/:conversation/receipts', {
    onRequest: requireUser,
    schema: {
      operationId: 'getReceipts',
      summary: 'Ask who has it',
      description,
      tags: ['reading'],
      security: [{ user: [] }],
      params: conversationPath,
      querystring: Type.Object(
        { seq: Type.Optional(Type.Integer({ minimum: 1, description: 'The entry.' })) },
        { additionalProperties: false },
      ),
      response: { 200: report, ...problems(400, 401, 404, 429) },
    },
    handler: async (request, reply) => {
      const { conversation } = request.params
      checkConversationParameter(conversation)
      const { seq } = request.query
      const { list, devices, ...tally } = await receipts.report({
        user: userOf(request),
        conversation,
        seq,
      })
      return reply.code(200).send({
        ...tally,
        ...(list === undefined ? {} : { list: [...list] }),
        devices: [...devices],
      })
    },
  })
}

function example(): object {
  const list = [
    { user: 'bob', delivered: 12, read: 12 },
    { user: 'carol', delivered: 12, read: 3 },
  ]
  const devices = [{ device: 'alice-phone', acked: 12 }]
  return { seq: 12, members: 2, delivered: 2, read: 1, list, devices }
}
