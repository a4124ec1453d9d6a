// The broker: attaches the lanes to aedes and to the doors, and closes them in order. The only file
// that makes connections.

import type { EventEmitter } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import type { Server as TcpServer } from 'node:net'
import { Aedes } from 'aedes'
import type { Clock } from '../protocol/clock.ts'
import { Connection } from './connection.ts'
import type { BrokerContext } from './context.ts'
import { Postman } from './edge/outbox.ts'
import { handlePacket } from './handlers.ts'
import type { Admit } from './listen.ts'
import { attachWebSocket, listenTcp, portOf } from './listen.ts'
import { makeRetransmissions } from './retransmissions.ts'
import { makeTimekeeper } from './timekeeper.ts'

export interface Broker {
  /** Accepts MQTT over TCP; resolves with the port. Rejects when the port cannot be had. */
  listen(address: { readonly host: string; readonly port: number }): Promise<number>
  /** Accepts MQTT over WebSocket at `/mqtt` of this server. */
  attach(server: HttpServer): void
  /** Takes in a client that came through another door; false when there is no room. */
  admit: Admit
  connections(): number
  /** Accepts nobody new, answers the publishes that were read, waiting `drainMs` at most, and
   * closes all connections. */
  close(drainMs: number): Promise<void>
}

export type BrokerParts = Omit<BrokerContext, 'aedes' | 'postman' | 'retransmissions'> & {
  readonly clock: Clock
}

/** Devices whose publishes are recognised when they come again. */
const recordedDevicesMax = 10_000

export async function makeBroker(parts: BrokerParts): Promise<Broker> {
  const { limits, logger, clock, log, releases } = parts
  const aedes = await makeAedes(parts)
  const retransmissions = makeRetransmissions(recordedDevicesMax)
  const context: BrokerContext = { ...parts, aedes, postman: new Postman(), retransmissions }
  const connections = new Set<Connection>()
  const timekeeper = makeTimekeeper(connections, limits, clock)
  const servers: TcpServer[] = []
  let accepting = true

  let isFull = false
  const admit: Admit = ({ socket, peer, offeredToken, accepted }) => {
    if (!accepting || connections.size >= limits.connectionsMax) {
      // Once, until there is room: whoever fills the house should not fill the disk as well.
      if (!isFull) logger.warn({ connections: connections.size }, 'no room for connections')
      isFull = true
      return false
    }
    isFull = false
    const { round } = timekeeper
    const connection = new Connection({
      context,
      socket,
      peer,
      offeredToken,
      handle: handlePacket,
      accepted,
      round,
    })
    connections.add(connection)
    socket.once('close', () => connections.delete(connection))
    return true
  }

  return {
    async listen(address) {
      const server = await listenTcp(admit, address)
      servers.push(server)
      return portOf(server)
    },
    attach: (server) => attachWebSocket(server, admit, limits),
    admit,
    connections: () => connections.size,
    async close(drainMs) {
      accepting = false
      for (const server of servers) server.close()
      for (const connection of connections) connection.hold('shutdown')
      await within(drainMs, Promise.all([log.drained(), releases.drained()]))
      const closed = [...connections].map((connection) => connection.closed())
      for (const connection of [...connections]) connection.close('the server stops')
      await within(drainMs, Promise.all(closed))
      timekeeper.close()
      await new Promise<void>((resolve) => aedes.close(() => resolve()))
    },
  }
}

/** aedes keeps sessions, wills and keep-alives of what is not chat. Everybody who reaches it was
 * verified by the edge; no topic of its own is open to clients yet. */
async function makeAedes({ logger }: BrokerParts): Promise<Aedes> {
  const aedes = await Aedes.createBroker({
    concurrency: 1000,
    authorizePublish: (_client, _packet, done) => done(new Error('no such topic')),
    authorizeSubscribe: (_client, _subscription, done) => done(null, null),
  })
  // The types of aedes leave out the event that matters most.
  const emitter: EventEmitter = aedes
  emitter.on('error', (err: Error) => logger.error({ err }, 'aedes failed'))
  return aedes
}

/** Resolves with the work, or without it after `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}
