// Sends all clients away when the broker stops: one after the other in a random order, so that they
// do not come to the other brokers all at once. Each goes after it has acknowledged what it got, so
// that nothing comes twice, and after its publishes are answered. Who has not been sent away yet is
// served as ever.

import type { Clock } from '../protocol/clock.ts'
import { reasonCode } from '../protocol/reasons.ts'
import type { Connection, Hold } from './connection.ts'

export interface DrainOptions {
  /** How long it may take, ms. Who is still here then is sent away without an answer. */
  readonly withinMs: number
  /** How many clients to send away in a second; more of them if there is not the time for it. */
  readonly clientsPerSecond: number
  /** A number from 0 up to 1, as `Math.random`. */
  readonly random: () => number
  readonly clock: Clock
}

const roundMs = 20
/** How long a client may take to acknowledge what it got, ms. */
const restMsMax = 500
/** The part of the time that is kept for the answers to the last ones. */
const reserve = 0.25
/** Why reading waits when something that was read is being answered. */
const answering: readonly Hold[] = ['answer', 'route', 'repeat', 'refusal']

/** Resolves when every connection is closing. */
export async function sendAway(
  connections: readonly Connection[],
  { withinMs, clientsPerSecond, random, clock }: DrainOptions,
): Promise<void> {
  const waiting = shuffled(connections, random)
  /** With the time until which they may acknowledge. */
  const leaving = new Map<Connection, number>()
  const spreadMs = Math.min((waiting.length * 1000) / clientsPerSecond, withinMs * (1 - reserve))
  const perMs = waiting.length / spreadMs
  const startedAt = clock()
  for (;;) {
    const passedMs = clock() - startedAt
    const due = spreadMs > roundMs ? Math.ceil((passedMs + roundMs) * perMs) : connections.length
    for (const connection of waiting.splice(0, due - (connections.length - waiting.length))) {
      connection.session?.rest()
      leaving.set(connection, passedMs + restMsMax)
    }
    const isLate = passedMs >= withinMs
    for (const [connection, restsUntilMs] of leaving) {
      if (isResting(connection) && passedMs < restsUntilMs && !isLate) continue
      connection.hold('shutdown')
      if (isBusy(connection) && !isLate) continue
      connection.close('the server stops', reasonCode.useAnotherServer)
      leaving.delete(connection)
    }
    if (waiting.length === 0 && leaving.size === 0) return
    await new Promise((resolve) => setTimeout(resolve, roundMs))
  }
}

/** Whether it has yet to acknowledge something. */
function isResting({ session, state }: Connection): boolean {
  return state === 'open' && session?.owesAcknowledgements() === true
}

/** Whether something that was read from it is not answered yet. */
function isBusy(connection: Connection): boolean {
  if (connection.state === 'closing' || connection.state === 'closed') return false
  return connection.inFlight > 0 || connection.holds().some((reason) => answering.includes(reason))
}

/** In an order that says nothing of when they came: clients that came together, because another
 * broker had ended, would go on together. */
function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item)
}
