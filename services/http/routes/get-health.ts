// GET /healthz: the process is alive and its event loop turns.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { problems } from '../schemas.ts'

export function getHealth(app: HttpInstance, { version }: Pick<RouteParts, 'version'>): void {
  app.get('/healthz', {
    schema: {
      operationId: 'getHealth',
      summary: 'Is it alive?',
      tags: ['operation'],
      response: {
        200: Type.Object(
          { status: Type.Literal('alive'), version: Type.String() },
          { description: 'It is.', examples: [{ status: 'alive', version: '0.1.0' }] },
        ),
        ...problems(),
      },
    },
    handler: async (_request, reply) => reply.code(200).send({ status: 'alive', version }),
  })
}
