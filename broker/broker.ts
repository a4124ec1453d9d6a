// The broker: attaches the lanes to the doors, and closes them in order. The only file
// that makes connections.

import type { Server as HttpServer } from 'node:http'
import type { Socket, Server as TcpServer } from 'node:net'
import type { Clock } from '../protocol/clock.ts'
import { deviceKey } from '../services/delivery/locks.ts'
import { makeArrivals } from './arrivals.ts'
import { Connection } from './connection.ts'
import type { BrokerContext, BrokerLimits } from './context.ts'
import { countUp, makeCounts } from './counts.ts'
import { makeAdmission } from './doors/admission.ts'
import type { Reception, Visitor } from './doors/listen.ts'
import { listenTcp, peerOf, portOf, receiveSocket } from './doors/listen.ts'
import type { Proxies } from './doors/proxies.ts'
import { attachWebSocket } from './doors/web-socket.ts'
import { sendAway } from './drain.ts'
import { Postman } from './edge/outbox.ts'
import { handlePacket } from './handlers.ts'
import { makePlainLane } from './plain/lane.ts'
import type { PlainBus, PlainPersistence } from './plain/ports.ts'
import { fullBucket, takeThenWait } from './rate.ts'
import { readBroker } from './readings.ts'
import { makeRetransmissions } from './retransmissions.ts'
import { makeTimekeeper } from './timekeeper.ts'
import { handleTrustedPacket } from './trusted.ts'

export interface Broker {
  /** Accepts MQTT over TCP; resolves with the port. Rejects when the port cannot be had. */
  listen(address: { readonly host: string; readonly port: number }): Promise<number>
  /** Takes in a client over a socket that another door, as that of TLS, has accepted. */
  enter(socket: Socket): void
  /** Accepts MQTT over WebSocket at `/mqtt` of this server. */
  attach(server: HttpServer): void
  /** Where other doors may lead to. */
  readonly reception: Reception
  connections(): number
  /** How many of them aedes knows of. */
  plainClients(): number
  /** What its metrics are now. */
  readings(): ReturnType<typeof readBroker>
  /** Accepts nobody new, and sends everybody away, `clientsPerSecond` in a second, each after its
   * publishes were answered. It takes `drainMs` at most, and a second for those who do not take
   * what was written to them. */
  close(drainMs: number, clientsPerSecond?: number): Promise<void>
}

export interface BrokerParts
  extends Omit<BrokerContext, 'plain' | 'postman' | 'counts' | 'retransmissions' | 'arrivals'> {
  /** What aedes keeps between connections. */
  readonly plainPersistence: PlainPersistence
  /** What brokers tell each other of plain topics; their persistence is shared then. */
  readonly plainBus?: PlainBus
  /** How often a broker says that it lives, ms: wills of one that is silent are published by others
   * after seven to eleven times this. */
  readonly plainHeartbeatMs?: number
  /** Those in front of the port for MQTT over TCP. */
  readonly proxies?: Proxies
  /** Everybody may do everything, and there is no chat. */
  readonly isTrusted: boolean
  /** As `Math.random`: the order in which clients are sent away. */
  readonly random: () => number
}

/** Devices whose publishes are recognised when they come again. */
const recordedDevicesMax = 10_000
/** Devices that come while somebody who came before them is being identified; more than that only a
 * store that hangs makes. */
const arrivingDevicesMax = 10_000
/** How long the last sockets may take to end, ms; above what a connection lingers. */
const farewellMs = 1500

export async function makeBroker(parts: BrokerParts): Promise<Broker> {
  const { limits, logger, clock, log, releases, proxies } = parts
  const plain = await makePlainLane({
    persistence: parts.plainPersistence,
    bus: parts.plainBus,
    heartbeatMs: parts.plainHeartbeatMs,
    logger,
    clock,
    unsentBytesMax: limits.windowBytesMax,
  })
  parts.engine.onExpired((device) => plain.expired(deviceKey(device)))
  const retransmissions = makeRetransmissions(recordedDevicesMax)
  const arrivals = makeArrivals(arrivingDevicesMax)
  const counts = makeCounts()
  const postman = new Postman()
  const own = { plain, postman, counts, retransmissions, arrivals }
  const context: BrokerContext = { ...parts, ...own }
  const connections = new Set<Connection>()
  const timekeeper = makeTimekeeper(connections, limits, clock)
  const servers: TcpServer[] = []
  const admission = makeAdmission(limits, parts)

  const receive = ({ address, socket, ...visitor }: Visitor) => {
    const { round } = timekeeper
    const handle = parts.isTrusted ? handleTrustedPacket : handlePacket
    const pace = makePace(limits, clock)
    const connection = new Connection({ ...visitor, context, socket, handle, round, pace })
    admission.entered(address)
    connections.add(connection)
    socket.once('close', () => {
      connections.delete(connection)
      admission.left(address)
    })
  }
  const reception: Reception = {
    knock(address) {
      const refused = admission.knock(address)
      if (refused !== undefined) countUp(counts.turnedAway, refused)
      return refused
    },
    receive,
  }

  return {
    async listen(address) {
      const server = await listenTcp(reception, address, proxies?.expectAt)
      servers.push(server)
      return portOf(server)
    },
    enter: (socket) => receiveSocket(reception, socket, peerOf(socket)),
    attach: (server) => attachWebSocket(server, reception, { ...limits, logger }),
    reception,
    connections: () => connections.size,
    plainClients: () => plain.clients(),
    readings: () =>
      readBroker({
        counts,
        connections,
        sentBytes: postman.sentBytes,
        plainClients: plain.clients(),
      }),
    async close(drainMs, clientsPerSecond = Number.POSITIVE_INFINITY) {
      admission.stop()
      for (const server of servers) server.close()
      const leaving = [...connections]
      const closed = leaving.map((connection) => connection.closed())
      await sendAway(leaving, { ...parts, withinMs: drainMs, clientsPerSecond })
      await within(farewellMs, Promise.all([log.drained(), releases.drained(), ...closed]))
      timekeeper.close()
      await plain.close()
    },
  }
}

/** The pace of one connection; undefined when it may publish as quickly as it can. */
function makePace(limits: BrokerLimits, clock: Clock): (() => number) | undefined {
  if (limits.publishesPerSecond === 0) return undefined
  const rate = { perSecond: limits.publishesPerSecond, burst: limits.publishesBurst }
  const bucket = fullBucket(rate, clock())
  return () => takeThenWait(bucket, rate, clock())
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
