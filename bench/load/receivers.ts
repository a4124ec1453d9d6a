// The receiving end of a load: every message is checked against what its sender had sent before,
// and while the load is measured, timed.

import { makeChecker } from './checker.ts'
import { microseconds } from './clock.ts'
import { count, type Histogram, makeHistogram } from './statistics.ts'
import { makeMarkReader } from './templates.ts'

/** What receivers have got; plain data, so that it travels between threads. */
export interface Received {
  delivered: number
  duplicates: number
  outOfOrder: number
  /** Messages in which no mark was found. */
  unreadable: number
  /** When the last new message came, µs. */
  lastAt: number
  /** From when a message was sent, or should have been, to its arrival: while measuring. */
  readonly latencies: Histogram
}

export interface Receivers {
  readonly received: Received
  /** Whether arrivals are timed. */
  isMeasuring: boolean
  /** A function that takes what one receiver gets, for `ClientOptions.received`. */
  makeReceiver(): (bytes: Buffer, start: number, end: number) => void
}

export function makeReceivers(): Receivers {
  const mark = makeMarkReader()
  const received: Received = {
    delivered: 0,
    duplicates: 0,
    outOfOrder: 0,
    unreadable: 0,
    lastAt: 0,
    latencies: makeHistogram(),
  }
  const receivers: Receivers = {
    received,
    isMeasuring: false,
    makeReceiver() {
      const checker = makeChecker()
      return (bytes, start, end) => {
        if (!mark.read(bytes, start, end)) {
          received.unreadable++
          return
        }
        const arrival = checker.note(mark.sender, mark.number)
        if (arrival === 'duplicate') {
          received.duplicates++
          return
        }
        if (arrival === 'late') received.outOfOrder++
        received.delivered++
        received.lastAt = microseconds()
        if (receivers.isMeasuring) count(received.latencies, received.lastAt - mark.at)
      }
    },
  }
  return receivers
}
