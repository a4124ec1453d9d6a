// GET /readyz: whether the server can do its work now; for load balancers.

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { problemOf, sendProblem } from '../problems.ts'
import { problems } from '../schemas.ts'

export function getReadiness(app: HttpInstance, { health }: Pick<RouteParts, 'health'>): void {
  app.get('/readyz', {
    schema: {
      operationId: 'getReadiness',
      summary: 'Is it ready?',
      description:
        'When it is not, the problem document lists the `reasons`. It is `degraded` when ' +
        'something is away that it can do without: answers are slower, and nothing is lost.',
      tags: ['operation'],
      response: {
        200: Type.Object(
          {
            status: Type.Enum(['ready', 'degraded']),
            reasons: Type.Optional(Type.Array(Type.String(), { description: 'What is away.' })),
          },
          { description: 'It is.', examples: [{ status: 'ready' }] },
        ),
        ...problems(),
      },
    },
    handler: async (_request, reply) => {
      const { ready, reasons, degraded = [] } = health()
      if (ready && degraded.length > 0) {
        return reply.code(200).send({ status: 'degraded', reasons: [...degraded] })
      }
      if (ready) return reply.code(200).send({ status: 'ready' })
      return sendProblem(reply, { ...problemOf('store-unavailable', 'Not ready.'), reasons })
    },
  })
}
