// Keeps time for all connections with one timer: silence, expired tokens, peers that do not
// connect, sockets that take no bytes. A timer for each connection would cost more than the
// connection.

import type { Clock } from '../protocol/clock.ts'
import { reasonCode } from '../protocol/reasons.ts'
import type { Connection } from './connection.ts'
import type { BrokerLimits } from './context.ts'

export interface Timekeeper {
  /** The round it is; one per second. */
  round(): number
  close(): void
}

const roundMs = 1000

/** What a socket had taken when it was last seen to make no progress. */
interface Stall {
  readonly taken: number
  readonly since: number
}

export function makeTimekeeper(
  connections: ReadonlySet<Connection>,
  limits: BrokerLimits,
  clock: Clock,
): Timekeeper {
  let round = 0
  const stalls = new WeakMap<Connection, Stall>()

  // What happened in a round may have happened at its end.
  const longerThan = (since: number, ms: number) => (round - since - 1) * roundMs >= ms

  const isStuck = (connection: Connection): boolean => {
    const taken = connection.takenBytes()
    const stall = stalls.get(connection)
    if (!connection.isStalled()) {
      if (stall) stalls.delete(connection)
      return false
    }
    if (stall === undefined || taken > stall.taken) {
      stalls.set(connection, { taken, since: round })
      return false
    }
    return longerThan(stall.since, limits.stalledTimeoutMs)
  }

  const check = (connection: Connection, now: number) => {
    const { state, identity, silenceMsMax } = connection
    if (isStuck(connection)) return connection.destroy('the socket takes no bytes')
    if (state === 'awaitingConnect' || state === 'connecting') {
      if (longerThan(connection.openedInRound, limits.connectTimeoutMs)) {
        connection.destroy('the client did not connect in time')
      }
      return
    }
    if (state !== 'open') return
    if (identity && identity.expiresAt <= now) {
      return connection.close('the token expired', reasonCode.maximumConnectTime)
    }
    // What is not read cannot be heard.
    if (connection.isHeld()) connection.heardInRound = round
    if (silenceMsMax > 0 && longerThan(connection.heardInRound, silenceMsMax)) {
      const reason = 'the client was silent for longer than its keep-alive'
      connection.close(reason, reasonCode.keepAliveTimeout)
    }
  }

  const timer = setInterval(() => {
    round++
    const now = clock()
    for (const connection of connections) check(connection, now)
  }, roundMs)
  timer.unref()

  return { round: () => round, close: () => clearInterval(timer) }
}
