// How many sockets one address may hold on an HTTP server, whatever it does with them: send
// nothing, send a request for ever, or speak MQTT over WebSocket.

import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { makeNetworks, networkOf } from '../../protocol/networks.ts'

interface SocketLimits {
  readonly socketsPerAddressMax: number
  /** Networks without this limit. */
  readonly limitsExempt: readonly string[]
  /** The peer's address; undefined when the peer has gone. What the socket says, if absent. */
  readonly addressOf?: (socket: Socket) => string | undefined
}

/** Cuts each new socket of an address (IPv6: of one /64) that has enough. Throws `TypeError` when
 * `limitsExempt` holds what is no network. */
export function limitSockets(server: Server, limits: SocketLimits): void {
  const { socketsPerAddressMax, addressOf = (socket) => socket.remoteAddress } = limits
  const exempt = makeNetworks(limits.limitsExempt)
  const sockets = new Map<string, number>()
  const free = (network: string) => {
    const left = (sockets.get(network) ?? 0) - 1
    if (left > 0) sockets.set(network, left)
    else sockets.delete(network)
  }
  server.prependListener('connection', (socket: Socket) => {
    const address = addressOf(socket)
    if (address === undefined || exempt.has(address)) return
    const network = networkOf(address)
    const held = sockets.get(network) ?? 0
    if (held >= socketsPerAddressMax) return void socket.destroy()
    sockets.set(network, held + 1)
    socket.once('close', () => free(network))
  })
}
