// The doors: here TCP, and what all doors share. A door turns a socket into a visitor, or away when
// the house is full; what is said inside is not its business.

import type { AddressInfo, Socket, Server as TcpServer } from 'node:net'
import { createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Transport } from '../connection.ts'
import type { Refused } from './admission.ts'
import type { Certified } from './certified.ts'
import { certifiedBy } from './certified.ts'
import { listenOn } from './listening.ts'

/** Where a client comes from. */
export interface Peer {
  /** Its internet address, which limits go by. */
  readonly address: string
  /** Address and port, for the log. */
  readonly peer: string
}

/** A client that came through a door. */
export interface Visitor extends Peer {
  readonly socket: Duplex
  readonly transport: Transport
  readonly offeredToken: string | undefined
  /** What its certificate says, if it has shown one. */
  readonly certified?: Certified | undefined
  /** To be called when the client has proved who it is. */
  readonly accepted: () => void
}

/** Behind the doors. */
export interface Reception {
  /** Whether a client of this address may come in now, and if not, why. */
  knock(address: string): Refused | undefined
  /** Takes in a visitor who has just knocked. */
  receive(visitor: Visitor): void
}

/** Where the peer of a socket is; behind a proxy, the client (`doors/proxies.ts`). A peer that is
 * gone already has no address. */
export function peerOf({ remoteAddress = 'unknown', remotePort }: Socket): Peer {
  return { address: remoteAddress, peer: `${remoteAddress}:${remotePort}` }
}

/** Takes in a client of MQTT over a socket, or cuts it. */
export function receiveSocket(reception: Reception, socket: Duplex, peer: Peer): void {
  const visitor = { ...peer, socket, certified: certifiedBy(socket), accepted: ignore }
  if (reception.knock(peer.address) !== undefined) socket.destroy()
  else reception.receive({ ...visitor, transport: 'tcp', offeredToken: undefined })
}

/** Listens for MQTT over TCP. `prepare` may change what happens to new connections. Rejects with
 * the system's error when the port cannot be had. */
export async function listenTcp(
  reception: Reception,
  address: { readonly host: string; readonly port: number },
  prepare: (server: TcpServer) => void = ignore,
): Promise<TcpServer> {
  // Half-open, so that what a client wrote before it closed is still processed.
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true })
  server.on('connection', (socket) => receiveSocket(reception, socket, peerOf(socket)))
  prepare(server)
  await listenOn(server, address)
  return server
}

/** The port a server got. */
export function portOf(server: TcpServer): number {
  return (server.address() as AddressInfo).port
}

function ignore(): void {}
