// GET /v1/openapi.json: this API, described by the schemas that check it.

import { Type } from 'typebox'
import type { HttpInstance } from '../dependencies.ts'
import { problems } from '../schemas.ts'

export function getOpenApi(app: HttpInstance): void {
  app.get('/v1/openapi.json', {
    schema: {
      operationId: 'getOpenApi',
      summary: 'The OpenAPI document',
      tags: ['operation'],
      response: {
        200: {
          description: 'An OpenAPI 3.1 document.',
          content: {
            'application/json': { schema: Type.Object({}, { additionalProperties: true }) },
          },
        },
        ...problems(),
      },
    },
    handler: async () => app.swagger(),
  })
}
