// TLS in front of the doors: the handshake, the certificate for each name, new certificates while
// connections stay. What is said inside is not its business.

import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import type { SecureContext, SecureContextOptions, TLSSocket, Server as TlsServer } from 'node:tls'
import { createSecureContext, createServer } from 'node:tls'
import type { Secret } from '../../config/secrets.ts'
import type { Clock } from '../../protocol/clock.ts'
import { OperatorFault } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { AdmissionLimits } from './admission.ts'
import { makeAdmission } from './admission.ts'
import { checkClientHello } from './client-hello.ts'
import { makeComplaint } from './complaints.ts'
import { listenOn } from './listening.ts'
import { interceptConnections, readOpening } from './opening.ts'
import type { Proxies } from './proxies.ts'

/** What a server shows and asks for. */
interface Certificates {
  /** At least one, the default. `names`: as `a.example` and `*.b.example`, in lower case. */
  readonly pairs: readonly {
    readonly names: readonly string[]
    /** PEM, with the chain. */
    readonly certificate: string
    readonly key: Secret
  }[]
  /** Authorities of clients and their revocation lists, PEM. */
  readonly clientCa: string | undefined
  readonly clientCrl: string | undefined
  /** For the operator. */
  readonly warnings: readonly string[]
}

/** The limits hold for all sockets, from before their handshake on, because that is dear. */
export interface TlsOptions extends AdmissionLimits {
  readonly tlsMinVersion: 'TLSv1.2' | 'TLSv1.3'
  /** `optional`: who shows a certificate must show a good one. */
  readonly tlsClientAuth: 'none' | 'optional' | 'required'
  /** How long the first bytes, and then the handshake, may take, ms. */
  readonly connectTimeoutMs: number
}

interface TlsParts {
  /** Reads all certificates. Throws `OperatorFault`. */
  readonly load: () => Certificates
  readonly proxies: Proxies
  readonly logger: Logger
  readonly clock: Clock
}

export interface Tls {
  /** Listens; `enter` gets each socket after its handshake. Resolves with the port; rejects with
   * the system's error. */
  listen(address: Address, enter: (socket: TLSSocket) => void): Promise<number>
  /** Reads the certificates again, for the handshakes to come. When that fails, the old ones stay,
   * and the log says why. */
  reload(): void
  /** Takes no more connections. */
  stop(): void
  /** Resolves when all clients have left; those that have not within `graceMs`, and those who never
   * came in, are cut. */
  ended(graceMs: number): Promise<void>
}

interface Address {
  readonly host: string
  readonly port: number
}

/** The same for all, so that a session goes on whichever certificate it began with. */
const sessionIdContext = 'parley'

/** Throws `OperatorFault` when the certificates cannot be used. */
export function makeTls(options: TlsOptions, parts: TlsParts): Tls {
  const { proxies, logger } = parts
  const servers: TlsServer[] = []
  const connections = new Set<Socket>()
  /** Those after their handshake. */
  const clients = new Set<Socket>()
  const complain = makeComplaint(parts, 'a TLS handshake failed')
  const refuse = (socket: Socket, reason: string): void => {
    complain({ peer: socket.remoteAddress ?? 'gone', reason })
    socket.on('error', ignore)
    socket.destroy()
  }
  let contexts = loadContexts(options, parts)
  const admission = makeAdmission(options, parts)

  const meet = (socket: Socket, pass: () => void): void => {
    const { remoteAddress: address = 'unknown' } = socket
    if (admission.knock(address) !== undefined) return void socket.destroy()
    admission.entered(address)
    socket.once('close', () => admission.left(address))
    readOpening(socket, {
      look: checkClientHello,
      timeoutMs: options.connectTimeoutMs,
      done: pass,
      failed: (reason, heard) => {
        if (heard) complain({ peer: address, reason })
      },
    })
  }

  const makeServer = (enter: (socket: TLSSocket) => void): TlsServer => {
    const server = createServer({
      ...contexts.standard,
      // Half-open, as the doors without TLS.
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      handshakeTimeout: options.connectTimeoutMs,
      requestCert: options.tlsClientAuth !== 'none',
      rejectUnauthorized: options.tlsClientAuth === 'required',
      SNICallback: (name, done) => done(null, contexts.forName(name)),
    })
    server.on('secureConnection', (socket) => {
      proxies.follow(socket)
      const fault = faultOf(socket)
      if (fault !== undefined) return refuse(socket, fault)
      remember(clients, socket)
      enter(socket)
    })
    server.on('tlsClientError', (error, socket) => {
      refuse(socket, String(socket.authorizationError ?? codeOf(error)))
    })
    interceptConnections(server, meet)
    proxies.expectAt(server)
    server.on('connection', (socket) => remember(connections, socket))
    return server
  }

  return {
    listen(address, enter) {
      const server = makeServer(enter)
      servers.push(server)
      return listenOn(server, address)
    },
    reload() {
      try {
        contexts = loadContexts(options, parts)
        for (const server of servers) server.setSecureContext(contexts.standard)
        logger.info({}, 'the TLS certificates were read again')
      } catch (error) {
        if (!(error instanceof OperatorFault)) throw error
        logger.error({ reason: error.message }, 'the TLS certificates stay as they were')
      }
    },
    stop() {
      admission.stop()
      for (const server of servers) server.close()
    },
    async ended(graceMs) {
      const cut = setTimeout(() => {
        for (const socket of clients) socket.destroy()
      }, graceMs)
      await Promise.all([...clients].map(closed))
      clearTimeout(cut)
      for (const socket of connections) socket.destroy()
    },
  }
}

interface Contexts {
  /** For clients that name no server, or one there is no certificate for. */
  readonly standard: SecureContextOptions
  /** Undefined for the standard one. */
  forName(name: string): SecureContext | undefined
}

function loadContexts(options: TlsOptions, { load, logger }: TlsParts): Contexts {
  const { pairs, clientCa, clientCrl, warnings } = load()
  const made = pairs.map(({ names, certificate, key }) => {
    const context: SecureContextOptions = {
      cert: certificate,
      key: key.reveal(),
      minVersion: options.tlsMinVersion,
      sessionIdContext,
      // A session that is resumed would pass by what has become of the client's certificate.
      ...(options.tlsClientAuth === 'none' ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
      ...(clientCa === undefined ? {} : { ca: clientCa }),
      ...(clientCrl === undefined ? {} : { crl: clientCrl }),
    }
    return { names, context, secure: secureContext(context, names) }
  })
  for (const warning of warnings) logger.warn({}, warning)
  const [first] = made
  if (first === undefined) throw new OperatorFault('there is no TLS certificate')
  const byName = new Map<string, SecureContext>()
  // The first of a name counts.
  for (const { names, secure } of made.toReversed()) {
    for (const name of names) byName.set(name, secure)
  }
  return {
    standard: first.context,
    forName(name) {
      const lower = name.toLowerCase()
      return byName.get(lower) ?? byName.get(lower.replace(/^[^.]+/, '*'))
    },
  }
}

function secureContext(context: SecureContextOptions, names: readonly string[]): SecureContext {
  try {
    return createSecureContext(context)
  } catch (error) {
    const which = names.length === 0 ? '' : ` for ${names.join(', ')}`
    throw new OperatorFault(`the TLS certificate${which} cannot be used (${codeOf(error)})`)
  }
}

/** What is wrong with the certificate of a client. Who shows a bad one has not chosen to come
 * without. */
function faultOf(socket: TLSSocket): string | undefined {
  if (socket.getPeerX509Certificate() === undefined || socket.authorized) return undefined
  return String(socket.authorizationError)
}

function remember(sockets: Set<Socket>, socket: Socket): void {
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}

function ignore(): void {}
