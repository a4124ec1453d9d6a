// The doors: here TCP, and what all doors share. A door turns a socket into a visitor, or away when
// the house is full; what is said inside is not its business.

import type { AddressInfo, Socket, Server as TcpServer } from 'node:net'
import { createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Refused } from './admission.ts'
import type { Transport } from './connection.ts'

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

/** Where the peer of a socket is: as the system says, or as a proxy does that is trusted. */
export type PeerOf = (socket: Socket) => Peer

/** What the system says. A peer that is gone already has no address. */
export function peerOf({ remoteAddress = 'unknown', remotePort }: Socket): Peer {
  return { address: remoteAddress, peer: `${remoteAddress}:${remotePort}` }
}

/** Takes in a client of MQTT over a socket, or cuts it. */
export function receiveSocket(reception: Reception, socket: Duplex, peer: Peer): void {
  if (reception.knock(peer.address) !== undefined) socket.destroy()
  else {
    const visitor = { socket, offeredToken: undefined, accepted: ignore }
    reception.receive({ ...peer, ...visitor, transport: 'tcp' })
  }
}

/** Listens for MQTT over TCP. Rejects with the system's error when the port cannot be had. */
export async function listenTcp(
  reception: Reception,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<TcpServer> {
  // Half-open, so that what a client wrote before it closed is still processed.
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true })
  server.on('connection', (socket) => receiveSocket(reception, socket, peerOf(socket)))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      // A connection that cannot be accepted (no file descriptors are left) is not ours to mend.
      server.on('error', ignore)
      resolve()
    })
  })
  return server
}

/** The port a server got. */
export function portOf(server: TcpServer): number {
  return (server.address() as AddressInfo).port
}

function ignore(): void {}
