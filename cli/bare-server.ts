// An HTTP server without an API: what MQTT over WebSocket needs when this process is only a broker,
// its metrics, and what those ask who watch over it.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Health } from '../services/http/dependencies.ts'
import type { HttpApi } from '../services/http/http.ts'
import { connectionsCheckMs, headerBytesMax } from '../services/http/limits.ts'
import type { MayReadMetrics } from '../services/http/metrics-access.ts'
import type { Exposition } from '../services/metrics/ports.ts'

interface BareServerParts {
  readonly metrics: Exposition
  readonly mayReadMetrics: MayReadMetrics
  readonly health: () => Health
  readonly version: string
}

/** Answers 404 to every request but for /metrics, /healthz and /readyz; upgrades are for who
 * listens to them. */
export function makeBareServer(
  parts: BareServerParts,
): Pick<HttpApi, 'server' | 'listen' | 'close'> {
  const { metrics, mayReadMetrics, health, version } = parts
  const bounds = { connectionsCheckingInterval: connectionsCheckMs, maxHeaderSize: headerBytesMax }
  const sendJson = (response: ServerResponse, status: number, body: object) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  const sendReadiness = (response: ServerResponse) => {
    const { ready, reasons, degraded = [] } = health()
    if (!ready) return sendJson(response, 503, { status: 'unready', reasons })
    const isWhole = degraded.length === 0
    const body = isWhole ? { status: 'ready' } : { status: 'degraded', reasons: degraded }
    return sendJson(response, 200, body)
  }
  const sendMetrics = async (request: IncomingMessage, response: ServerResponse) => {
    if (!mayReadMetrics(request)) return response.writeHead(403).end()
    const text = await metrics.text()
    return response.writeHead(200, { 'content-type': metrics.contentType }).end(text)
  }
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { method, url } = request
    if (method !== 'GET' && method !== 'HEAD') return response.writeHead(404).end()
    if (url === '/healthz') return sendJson(response, 200, { status: 'alive', version })
    if (url === '/readyz') return sendReadiness(response)
    if (url === '/metrics') return sendMetrics(request, response)
    return response.writeHead(404).end()
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
