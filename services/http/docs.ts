// The page at /docs: the OpenAPI document for people. All its files are served from here, and its
// content policy lets it reach nothing else.

import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'

/** The Content-Security-Policy of everything but the page: nothing of it is ever rendered. */
export const apiContentPolicy = "default-src 'none'; frame-ancestors 'none'"

/** The page's scripts are files; Swagger UI sets styles from them, and its icons are data URLs. */
const pageContentPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'"

/** Adds the page to a scope of its own. */
export async function addDocs(scope: FastifyInstance): Promise<void> {
  scope.addHook('onRequest', async (_request, reply) => {
    reply.header('content-security-policy', pageContentPolicy)
    reply.header('cache-control', 'no-cache')
  })
  await scope.register(swaggerUi, {
    routePrefix: '/docs',
    theme: { title: 'Parley: HTTP API' },
    uiConfig: { layout: 'BaseLayout', docExpansion: 'list', deepLinking: true },
  })
}
