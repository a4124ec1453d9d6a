// Proxies in front of the doors: a connection from one of them begins with a header that names the
// client, and from then on its socket has the client's address. All others are what they are: a
// header of theirs is garbage.

import type { Server, Socket } from 'node:net'
import { isIPv6 } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Clock } from '../../protocol/clock.ts'
import type { Logger } from '../../protocol/logger.ts'
import { makeNetworks } from '../../protocol/networks.ts'
import { makeComplaint } from './complaints.ts'
import { interceptConnections, readOpening } from './opening.ts'
import type { Peer } from './proxy-header.ts'
import { readProxyHeader } from './proxy-header.ts'

export interface Proxies {
  /** Makes a server read the headers of proxies before all who listen to its connections now. */
  expectAt(server: Server): void
  /** Tells a socket of TLS who the client is, when a proxy opened the connection under it. */
  follow(socket: Socket): void
}

export interface ProxiesParts {
  /** Networks of the proxies. */
  readonly from: readonly string[]
  /** How long a header may take, ms. */
  readonly timeoutMs: number
  readonly logger: Logger
  readonly clock: Clock
}

export function makeProxies({ from, timeoutMs, logger, clock }: ProxiesParts): Proxies {
  const networks = makeNetworks(from)
  const complain = makeComplaint({ logger, clock }, 'a proxy was turned away')
  /** By the address of the proxy's side, for as long as the socket is open. */
  const clients = new Map<string, Peer>()

  const meet = (socket: Socket, pass: () => void): void => {
    const { remoteAddress } = socket
    // The header came before the handshake.
    if (socket instanceof TLSSocket) return pass()
    // It was reset before it was accepted, as proxies do with their probes.
    if (remoteAddress === undefined) return void socket.destroy()
    if (!networks.has(remoteAddress)) return pass()
    const key = keyOf(socket)
    readOpening(socket, {
      look: readProxyHeader,
      timeoutMs,
      done: (client) => {
        if (client !== undefined) {
          clients.set(key, client)
          socket.once('close', () => clients.delete(key))
          setPeer(socket, client)
        }
        pass()
      },
      failed: (reason, heard) => {
        // Probes connect and say nothing.
        if (heard) complain({ peer: remoteAddress, reason })
      },
    })
  }

  return {
    expectAt(server) {
      if (from.length > 0) interceptConnections(server, meet)
    },
    follow(socket) {
      const client = clients.get(keyOf(socket))
      if (client !== undefined) setPeer(socket, client)
    },
  }
}

/** Names a connection: both of its ends. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress}:${remotePort} ${localAddress}:${localPort}`
}

/** Makes a socket tell the client's address to whoever asks: logs, limits, the HTTP API. */
function setPeer(socket: Socket, { address, port }: Peer): void {
  const family = isIPv6(address) ? 'IPv6' : 'IPv4'
  const values = { remoteAddress: address, remotePort: port, remoteFamily: family }
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(socket, name, { value, configurable: true })
  }
}
