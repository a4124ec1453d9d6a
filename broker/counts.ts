// What a broker counts while it works: plain numbers, so that counting costs next to nothing. They
// are read at a scrape; see readings.ts.

import type { ErrorCode } from '../protocol/errors.ts'
import type { ReasonCode } from '../protocol/reasons.ts'
import type { AppendResult } from '../services/log/ports.ts'
import { Histogram } from '../services/metrics/histogram.ts'
import type { Refused } from './doors/admission.ts'

export interface Counts {
  readonly turnedAway: Map<Refused, number>
  connectsAccepted: number
  readonly connectsRefused: Map<ReasonCode, number>
  readonly protocolErrors: Map<ReasonCode, number>
  /** Packets of clients, by type. */
  readonly packetsReceived: Float64Array
  bytesReceived: number
  chatReceived: number
  plainReceived: number
  chatDelivered: number
  plainDelivered: number
  readonly publishesRefused: Map<ErrorCode, number>
  /** What became of messages in the log. */
  readonly appends: Record<AppendResult['kind'], number>
  /** From handing a message to the log to its PUBACK, ms. */
  readonly publishMs: Histogram
}

export function makeCounts(): Counts {
  return {
    turnedAway: new Map(),
    connectsAccepted: 0,
    connectsRefused: new Map(),
    protocolErrors: new Map(),
    packetsReceived: new Float64Array(16),
    bytesReceived: 0,
    chatReceived: 0,
    plainReceived: 0,
    chatDelivered: 0,
    plainDelivered: 0,
    publishesRefused: new Map(),
    appends: { appended: 0, duplicate: 0, failed: 0 },
    publishMs: new Histogram([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 30_000]),
  }
}

/** Counts what is rare, by what it is. */
export function countUp<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
