// An HTTP server without an API: what MQTT over WebSocket needs when this process is only a broker,
// and its metrics.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { HttpApi } from '../services/http/http.ts'
import { connectionsCheckMs, headerBytesMax } from '../services/http/limits.ts'
import type { MayReadMetrics } from '../services/http/metrics-access.ts'
import type { Exposition } from '../services/metrics/ports.ts'

interface BareServerParts {
  readonly metrics: Exposition
  readonly mayReadMetrics: MayReadMetrics
}

/** Answers 404 to every request but for the metrics; upgrades are for who listens to them. */
export function makeBareServer(
  parts: BareServerParts,
): Pick<HttpApi, 'server' | 'listen' | 'close'> {
  const { metrics, mayReadMetrics } = parts
  const bounds = { connectionsCheckingInterval: connectionsCheckMs, maxHeaderSize: headerBytesMax }
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const isMetrics = request.method === 'GET' && request.url === '/metrics'
    if (!isMetrics) return response.writeHead(404).end()
    if (!mayReadMetrics(request)) return response.writeHead(403).end()
    const text = await metrics.text()
    return response.writeHead(200, { 'content-type': metrics.contentType }).end(text)
  }
  const server = createServer(bounds, (request, response) => {
    answer(request, response).catch(() => response.writeHead(500).end())
  })
  return {
    server,
    listen: ({ host, port }) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port }, () => {
          server.off('error', reject)
          resolve({ port: (server.address() as AddressInfo).port })
        })
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
