// What sockets on an HTTP server may do, whatever they are for: how many there may be, in all and
// of one address, and how long they may send nothing, half a header, or a request for ever.

import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { makeNetworks, networkOf } from '../../protocol/networks.ts'
import * as limits from './limits.ts'

interface SocketLimits {
  readonly socketsMax: number
  /** The same of one address; of IPv6, of one /64. */
  readonly socketsPerAddressMax: number
  /** Networks without that. */
  readonly limitsExempt: readonly string[]
  /** How long a socket may take until the headers of a request are complete, ms; at most the
   * `requestTimeoutMs` for the whole, 30 s by default. */
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs?: number
}

/** Bounds the sockets of a server; one that is too many is cut. `connectionsCheckingInterval` and
 * `maxHeaderSize` are for who makes the server. Throws `TypeError` when `limitsExempt` holds
 * what is no network. */
export function boundSockets(server: Server, bounds: SocketLimits): void {
  const { requestTimeoutMs = limits.requestTimeoutMs } = bounds
  server.maxConnections = bounds.socketsMax
  server.headersTimeout = Math.min(bounds.connectTimeoutMs, requestTimeoutMs)
  server.requestTimeout = requestTimeoutMs
  server.keepAliveTimeout = limits.keepAliveTimeoutMs
  server.timeout = limits.socketTimeoutMs
  boundAddresses(server, bounds)
}

function boundAddresses(server: Server, bounds: SocketLimits): void {
  const { socketsPerAddressMax } = bounds
  const exempt = makeNetworks(bounds.limitsExempt)
  /** Sockets by network, where there are any. */
  const sockets = new Map<string, number>()
  const free = (network: string) => {
    const left = (sockets.get(network) ?? 0) - 1
    if (left > 0) sockets.set(network, left)
    else sockets.delete(network)
  }
  server.prependListener('connection', (socket: Socket) => {
    const address = socket.remoteAddress
    if (address === undefined || exempt.has(address)) return
    const network = networkOf(address)
    const held = sockets.get(network) ?? 0
    if (held >= socketsPerAddressMax) return void socket.destroy()
    sockets.set(network, held + 1)
    socket.once('close', () => free(network))
  })
}
