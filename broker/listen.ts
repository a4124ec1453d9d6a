// The doors: TCP, and WebSocket on the HTTP server. A door turns a socket into a connection, or
// away when the house is full; what is said inside is not its business.

import type { Server as HttpServer, IncomingMessage } from 'node:http'
import { ServerResponse } from 'node:http'
import type { AddressInfo, Socket, Server as TcpServer } from 'node:net'
import { createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { WebSocketStream } from './edge/web-socket-stream.ts'

/** A client that came through a door. */
export interface Visitor {
  readonly socket: Duplex
  readonly peer: string
  readonly offeredToken: string | undefined
  /** To be called when the client has proved who it is. */
  readonly accepted: () => void
}

/** Takes a visitor in; false when there is no room. */
export type Admit = (visitor: Visitor) => boolean

const webSocketPath = '/mqtt'
const subprotocols = ['mqtt', 'mqttv3.1']

/** Listens for MQTT over TCP. Rejects with the system's error when the port cannot be had. */
export async function listenTcp(
  admit: Admit,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<TcpServer> {
  // Half-open, so that what a client wrote before it closed is still processed.
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true })
  server.on('connection', (socket) => {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`
    if (!admit({ socket, peer, offeredToken: undefined, accepted: ignore })) socket.destroy()
  })
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

interface WebSocketLimits {
  readonly packetBytesMax: number
  /** Most bytes of an unfinished frame that a client who is not connected may have sent. */
  readonly preConnectBytesMax: number
}

/** Answers WebSocket upgrades at `/mqtt` of an HTTP server; others get an HTTP error. */
export function attachWebSocket(
  server: HttpServer,
  admit: Admit,
  { packetBytesMax, preConnectBytesMax }: WebSocketLimits,
): void {
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    // Several packets may share a frame; a frame's bound is the joined write of a client.
    maxPayload: packetBytesMax * 2,
    handleProtocols: (offered) => subprotocols.find((name) => offered.has(name)) ?? false,
  })
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      return answerWithoutUpgrade(server, request, socket)
    }
    const url = urlOf(request)
    if (url?.pathname !== webSocketPath) return reject(socket, '404 Not Found')
    if (!offersMqtt(request)) return reject(socket, '400 Bad Request')
    socket.setNoDelay(true)
    const visitor = {
      peer: `${socket.remoteAddress}:${socket.remotePort}`,
      offeredToken: tokenOf(request, url),
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const stream = new WebSocketStream(webSocket, { socket, preConnectBytesMax })
      const accepted = () => stream.trust()
      if (!admit({ ...visitor, socket: stream, accepted })) webSocket.close(tryAgainLater)
    })
  })
}

const tryAgainLater = 1013

/** A server may ignore an upgrade it does not know (RFC 9110, section 7.8), as to HTTP/2. Node
 * hands the socket over without reading a body, so a request that has one is answered with an
 * error. */
function answerWithoutUpgrade(server: HttpServer, request: IncomingMessage, socket: Socket): void {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
  if (length !== '0' || encoding !== undefined) return reject(socket, '501 Not Implemented')
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once('finish', () => socket.end(() => socket.destroy()))
  server.emit('request', request, response)
}

/** The URL of a request; undefined for what no URL can be made of. */
function urlOf(request: IncomingMessage): URL | undefined {
  try {
    return new URL(request.url ?? '/', 'http://localhost')
  } catch {
    return undefined
  }
}

function offersMqtt(request: IncomingMessage): boolean {
  const offered = request.headers['sec-websocket-protocol'] ?? ''
  return offered.split(',').some((name) => subprotocols.includes(name.trim()))
}

function reject(socket: Socket, status: string): void {
  const answer = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
  socket.end(answer, () => socket.destroy())
}

/** Browsers cannot set headers on an upgrade: they may put the token into the query. */
function tokenOf({ headers }: IncomingMessage, url: URL): string | undefined {
  const [scheme, token] = headers.authorization?.split(' ') ?? []
  if (scheme?.toLowerCase() === 'bearer' && token) return token
  return url.searchParams.get('access_token') ?? undefined
}

function ignore(): void {}
