// Who may come in: how many connections there may be, in all and from one address, and how quickly
// they may come. Asked before anything is made for a client, so that turning one away is cheap.

import { makeBoundedMap } from '../../protocol/bounded-map.ts'
import type { Clock } from '../../protocol/clock.ts'
import type { Logger } from '../../protocol/logger.ts'
import { makeNetworks, networkOf } from '../../protocol/networks.ts'
import type { Bucket } from '../rate.ts'
import { fullBucket, takeOne } from '../rate.ts'

export interface AdmissionLimits {
  readonly connectionsMax: number
  /** Most connections of one address. Here and below, an IPv6 address stands for its /64. */
  readonly connectionsPerAddressMax: number
  /** Most new connections a second, from one address and in all, and how many at once. */
  readonly connectsPerAddressPerSecond: number
  readonly connectsPerAddressBurst: number
  readonly connectsPerSecond: number
  readonly connectsBurst: number
  /** Networks to which only `connectionsMax` applies. */
  readonly limitsExempt: readonly string[]
}

/** Why a client is turned away. `stopping`: the server is. `full`: there are enough connections.
 * `hurried`: too many come at a time. `crowded`, `insistent`: the same of its own address. */
export type Refused = 'stopping' | 'full' | 'crowded' | 'hurried' | 'insistent'

export interface Admission {
  /** Whether a client of this address may come in now, and if not, why. Counts as an attempt; who
   * comes in then is counted by `entered`. */
  knock(address: string): Refused | undefined
  entered(address: string): void
  /** Once for each `entered`. */
  left(address: string): void
  /** Turns everybody away from now on. */
  stop(): void
}

/** Addresses whose attempts are remembered. One that is forgotten has its whole burst again; what
 * many addresses do together is bounded by the rate in all. */
const addressesMax = 20_000
/** Shortest time between two lines on clients turned away. */
const logIntervalMs = 60_000

interface AdmissionParts {
  readonly clock: Clock
  readonly logger: Logger
}

/** Throws `TypeError` when `limitsExempt` holds what is no network. */
export function makeAdmission(limits: AdmissionLimits, parts: AdmissionParts): Admission {
  const { clock } = parts
  const exempt = makeNetworks(limits.limitsExempt)
  const mayKnock = makeRates(limits, clock)
  const log = makeRefusalLog(parts)
  /** Connections by network, where there are any. */
  const residents = new Map<string, number>()
  let connections = 0
  let isStopping = false

  const refusalOf = (address: string): Refused | undefined => {
    if (isStopping) return 'stopping'
    if (connections >= limits.connectionsMax) return 'full'
    if (exempt.has(address)) return undefined
    const network = networkOf(address)
    const residing = residents.get(network) ?? 0
    return residing >= limits.connectionsPerAddressMax ? 'crowded' : mayKnock(network)
  }

  return {
    knock(address) {
      const refused = refusalOf(address)
      if (refused !== undefined && refused !== 'stopping') log(refused, { address, connections })
      return refused
    },
    entered(address) {
      const network = networkOf(address)
      connections++
      residents.set(network, (residents.get(network) ?? 0) + 1)
    },
    left(address) {
      const network = networkOf(address)
      const residing = residents.get(network) ?? 0
      connections--
      if (residing > 1) residents.set(network, residing - 1)
      else residents.delete(network)
    },
    stop() {
      isStopping = true
    },
  }
}

/** Takes one attempt of a network; says why not when there is none. */
function makeRates(limits: AdmissionLimits, clock: Clock) {
  const inAll = { perSecond: limits.connectsPerSecond, burst: limits.connectsBurst }
  const ofOne = {
    perSecond: limits.connectsPerAddressPerSecond,
    burst: limits.connectsPerAddressBurst,
  }
  const all = fullBucket(inAll, clock())
  const buckets = makeBoundedMap<string, Bucket>(addressesMax)
  return (network: string): Refused | undefined => {
    const now = clock()
    let own = buckets.get(network)
    if (own === undefined) {
      own = fullBucket(ofOne, now)
      buckets.set(network, own)
    }
    // Its own first: who is too quick must not use up what is for everybody.
    if (!takeOne(own, ofOne, now)) return 'insistent'
    return takeOne(all, inAll, now) ? undefined : 'hurried'
  }
}

/** One line when it begins, and then at most one a minute for each reason: whoever fills the house
 * should not fill the disk as well. */
function makeRefusalLog({ clock, logger }: AdmissionParts) {
  const lines = new Map<Refused, { at: number; unsaid: number }>()
  return (
    refused: Refused,
    context: { readonly address: string; readonly connections: number },
  ) => {
    const now = clock()
    const line = lines.get(refused)
    if (line !== undefined && Math.abs(now - line.at) < logIntervalMs) {
      line.unsaid++
      return
    }
    lines.set(refused, { at: now, unsaid: 0 })
    const more = line === undefined ? {} : { unsaid: line.unsaid }
    logger.warn({ ...context, refused, ...more }, 'clients are turned away')
  }
}
