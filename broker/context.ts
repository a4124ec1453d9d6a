// What the handlers of the broker share: the services, the bounds, the plain lane.

import type { Clock } from '../protocol/clock.ts'
import type { TopicGrants } from '../protocol/grants.ts'
import type { Logger } from '../protocol/logger.ts'
import type { PlainAccess } from '../services/access/plain-topics.ts'
import type { Routes } from '../services/access/routes.ts'
import type { Engine } from '../services/delivery/engine.ts'
import type { Log } from '../services/log/log.ts'
import type { Releases } from '../services/log/releases.ts'
import type { Receipts } from '../services/receipts/receipts.ts'
import type { Arrivals } from './arrivals.ts'
import type { Counts } from './counts.ts'
import type { AdmissionLimits } from './doors/admission.ts'
import type { Certified } from './doors/certified.ts'
import type { Postman } from './edge/outbox.ts'
import type { PlainLane } from './plain/lane.ts'
import type { Retransmissions } from './retransmissions.ts'

/** Who a token speaks for; `expiresAt` in ms since the epoch. */
export interface Identity {
  readonly user: string
  readonly expiresAt: number
  /** Plain topics the token opens. */
  readonly topics: TopicGrants
}

export interface BrokerLimits extends AdmissionLimits {
  /** Largest payload of a chat message, bytes; above it the message is refused and explained. */
  readonly payloadBytesMax: number
  /** Largest packet, bytes; above it the connection ends. */
  readonly packetBytesMax: number
  /** The same before the client is connected. */
  readonly preConnectBytesMax: number
  /** Longest silence that a client of level 5 may wish to keep, s; 0 for any. */
  readonly keepAliveSecondsMax: number
  /** Longest time a session lasts after its device has gone, s. */
  readonly sessionExpirySeconds: number
  /** How long a peer may take until it is connected, ms. */
  readonly connectTimeoutMs: number
  /** Most publishes of one connection that wait for their commit. */
  readonly publishesInFlightMax: number
  /** Most topic aliases of one connection, in each direction. */
  readonly topicAliasMax: number
  /** How long a socket may leave what was written to it in one turn untaken, ms. */
  readonly stalledTimeoutMs: number
  /** Most bytes a device may leave untaken before messages of plain topics are lost to it. */
  readonly windowBytesMax: number
  /** How many messages one connection may publish each second, 0 for any number, and how many at
   * once before that. */
  readonly publishesPerSecond: number
  readonly publishesBurst: number
  /** Origins whose pages may connect over WebSocket; empty for all. */
  readonly allowedOrigins: readonly string[]
  /** How long a WebSocket may be silent before it is pinged, and then until it is cut, ms. */
  readonly webSocketPingMs: number
}

export interface BrokerContext {
  readonly engine: Engine
  readonly log: Log
  readonly releases: Releases
  readonly routes: Routes
  readonly receipts: Pick<Receipts, 'read' | 'typing'>
  /** Verifies a token and that its user exists; throws `Refusal`. */
  readonly identify: (token: string) => Promise<Identity>
  /** The same for the certificate of a connection. */
  readonly certify: (certified: Certified) => Promise<Identity>
  readonly plain: PlainLane
  readonly plainAccess: PlainAccess
  readonly postman: Postman
  readonly counts: Counts
  readonly retransmissions: Retransmissions
  readonly arrivals: Arrivals
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: BrokerLimits
  /** An id that nobody else has. */
  readonly randomId: () => string
}
