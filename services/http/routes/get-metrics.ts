// GET /metrics: for Prometheus. Not part of the API that the OpenAPI document describes.

import { Refusal } from '../../../protocol/errors.ts'
import type { HttpInstance, RouteParts } from '../dependencies.ts'

export function getMetrics(app: HttpInstance, { metrics, mayReadMetrics }: RouteParts): void {
  app.get('/metrics', {
    schema: { hide: true },
    onRequest: async ({ raw }) => {
      if (mayReadMetrics(raw)) return
      throw new Refusal('not-authorized', 'This needs the administrator’s token.')
    },
    handler: async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  })
}
