// 405 for a known path with another method (RFC 9110, section 15.5.6), where Fastify says 404.

import type { HTTPMethods } from 'fastify'
import type { HttpInstance } from './dependencies.ts'
import { httpProblem, sendProblem } from './problems.ts'

const methods: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Notes the routes added from now on; the function it returns adds an answer for every method they
 * lack, with the header `Allow`. */
export function refuseOtherMethods(app: HttpInstance): () => void {
  const allowed = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const known = allowed.get(url) ?? new Set()
    for (const name of [method].flat()) known.add(name)
    allowed.set(url, known)
  })
  return () => {
    for (const [url, known] of [...allowed]) {
      const allow = [...known].sort().join(', ')
      app.route({
        method: methods.filter((method) => !known.has(method)),
        url,
        schema: { hide: true },
        handler: (_request, reply) => sendProblem(reply.header('allow', allow), httpProblem(405)),
      })
    }
  }
}
