// An HTTP server without an API: what MQTT over WebSocket needs when this process is only a broker.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { HttpApi } from '../services/http/http.ts'
import { connectionsCheckMs, headerBytesMax } from '../services/http/limits.ts'

/** Answers 404 to every request; upgrades are for who listens to them. */
export function makeBareServer(): Pick<HttpApi, 'server' | 'listen' | 'close'> {
  const bounds = { connectionsCheckingInterval: connectionsCheckMs, maxHeaderSize: headerBytesMax }
  const server = createServer(bounds, (_request, response) => response.writeHead(404).end())
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
