// The WebSocket door: MQTT at `/mqtt` of an HTTP server. Whoever is not let in is told so before
// the upgrade, by an HTTP status.

import type { Server as HttpServer, IncomingMessage } from 'node:http'
import { ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import type { Logger } from '../../protocol/logger.ts'
import { certifiedBy } from './certified.ts'
import { makeHeartbeat } from './heartbeat.ts'
import type { Reception } from './listen.ts'
import { peerOf } from './listen.ts'
import { followAnswers } from './unanswered.ts'
import { WebSocketStream } from './web-socket-stream.ts'

interface WebSocketOptions {
  readonly packetBytesMax: number
  /** Most bytes of an unfinished frame that a client who is not connected may have sent. */
  readonly preConnectBytesMax: number
  /** Origins whose pages may connect; empty for all. Who sends no origin is no page. */
  readonly allowedOrigins: readonly string[]
  /** How long a client may be silent before it is pinged, and then until it is cut, ms; 0 for any
   * time. */
  readonly webSocketPingMs: number
  readonly logger: Pick<Logger, 'error'>
}

const webSocketPath = '/mqtt'
const subprotocols = ['mqtt', 'mqttv3.1']
/** How a client may cut a message into pieces: so many, and more if they are large. */
const bufferedChunksMin = 256
const readBytesMin = 512
/** The longest that an answer other than an upgrade may take, ms. */
const answerTimeoutMs = 30_000

/** Answers WebSocket upgrades at `/mqtt` of an HTTP server; others get an HTTP error. */
export function attachWebSocket(
  server: HttpServer,
  reception: Reception,
  options: WebSocketOptions,
): void {
  const { packetBytesMax, preConnectBytesMax, webSocketPingMs } = options
  const heartbeat = webSocketPingMs > 0 ? makeHeartbeat(webSocketPingMs) : undefined
  server.once('close', () => heartbeat?.close())
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    autoPong: false,
    perMessageDeflate: false,
    // Several packets may share a frame; a frame's bound is the joined write of a client.
    maxPayload: packetBytesMax * 2,
    // Each read of an unfinished frame is kept as it came: who sends byte by byte would hold 120
    // times as much. The reads of a network are larger.
    maxBufferedChunks: bufferedChunksMin + Math.ceil((packetBytesMax * 2) / readBytesMin),
    maxFragments: bufferedChunksMin + Math.ceil((packetBytesMax * 2) / readBytesMin),
    handleProtocols: (offered) => subprotocols.find((name) => offered.has(name)) ?? false,
  })
  const owesAnswer = followAnswers(server)
  const upgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    if (owesAnswer(socket)) return void socket.destroy()
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      return answerWithoutUpgrade(server, request, socket)
    }
    const url = urlOf(request)
    const peer = peerOf(socket)
    const status = refusalOf(request, url, options) ?? statusOf(reception.knock(peer.address))
    if (status !== undefined) return reject(socket, status)
    const offeredToken = tokenOf(request, url)
    const certified = certifiedBy(socket)
    socket.setNoDelay(true)
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const stream = new WebSocketStream(webSocket, { socket, preConnectBytesMax })
      heartbeat?.watch(stream)
      const accepted = () => stream.trust()
      const visitor = { socket: stream, offeredToken, certified, accepted }
      reception.receive({ ...peer, ...visitor, transport: 'websocket' })
    })
  }
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    try {
      upgrade(request, socket, head)
    } catch (err) {
      options.logger.error({ err }, 'an upgrade failed')
      socket.destroy()
    }
  })
}

/** The HTTP status that says what is wrong with a request; undefined when nothing is. */
function refusalOf(
  request: IncomingMessage,
  url: URL | undefined,
  { allowedOrigins }: WebSocketOptions,
): number | undefined {
  const { origin } = request.headers
  if (url?.pathname !== webSocketPath) return 404
  if (!offersMqtt(request)) return 400
  const isForeign = origin !== undefined && !allowedOrigins.includes(origin.toLowerCase())
  return allowedOrigins.length > 0 && isForeign ? 403 : undefined
}

function statusOf(refused: ReturnType<Reception['knock']>): number | undefined {
  if (refused === undefined) return undefined
  return refused === 'crowded' || refused === 'insistent' ? 429 : 503
}

/** A server may ignore an upgrade it does not know (RFC 9110, section 7.8), as to HTTP/2. Node
 * hands the socket over without reading a body, so a request that has one is answered with an
 * error. */
function answerWithoutUpgrade(server: HttpServer, request: IncomingMessage, socket: Socket): void {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
  if (length !== '0' || encoding !== undefined) return reject(socket, 501)
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  // Node's own bounds on time end with the upgrade.
  socket.setTimeout(answerTimeoutMs, () => socket.destroy())
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

function reject(socket: Socket, status: number): void {
  const line = `HTTP/1.1 ${status} ${STATUS_CODES[status]}`
  socket.end(`${line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy())
}

/** Browsers cannot set headers on an upgrade: they may put the token into the query. */
function tokenOf({ headers }: IncomingMessage, url: URL | undefined) {
  const [scheme, token] = headers.authorization?.split(' ') ?? []
  if (scheme?.toLowerCase() === 'bearer' && token) return token
  return url?.searchParams.get('access_token') ?? undefined
}
