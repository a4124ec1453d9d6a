// Reads the log as everybody reads it: a position that nobody has written yet is waited for, and
// given up with a void when it stays empty. Write-once makes that safe: what comes late finds the
// void, and takes another position.

import { makeBoundedMap } from '../../../protocol/bounded-map.ts'
import type { Clock } from '../../../protocol/clock.ts'
import type { Entry } from '../../../protocol/entry.ts'
import type { LogStore, ReadRange } from '../ports.ts'
import type { PositionStore } from './ports.ts'

interface SettledReadParts {
  readonly store: Pick<PositionStore, 'read' | 'fill' | 'head'>
  readonly clock: Clock
  /** Waits for so many ms. */
  readonly pause: (ms: number) => Promise<void>
}

/** Holes whose age is known. */
const holesMax = 10_000
/** Most positions of one fill: a sequencer that went wrong may leave a hole of any size. */
const fillMax = 500
/** How often a page of the past looks again at a hole in it. */
const pauseMs = 25

/** Makes the read. It gives what comes before the first hole, which is filled first when it is
 * older than `fillAfterMs`; older by what this process has seen. Oldest first, that may be nothing,
 * and whoever follows the log asks again. Newest first a page ends at no hole: it waits. */
export function makeSettledRead(
  { store, clock, pause }: SettledReadParts,
  { fillAfterMs }: { readonly fillAfterMs: number },
): LogStore['read'] {
  const firstSeen = makeBoundedMap<string, number>(holesMax)

  /** Whether a hole has been there for long enough. */
  const isOld = (conversation: string, { from }: Hole): boolean => {
    const key = `${conversation} ${from}`
    const now = clock()
    const since = firstSeen.get(key)
    if (since === undefined) firstSeen.set(key, now)
    return since !== undefined && now - since >= fillAfterMs
  }

  const findHole = async (conversation: string, range: ReadRange, entries: readonly Entry[]) => {
    const hole = holeIn(entries, range)
    if (hole?.isSure !== false) return hole
    return (await store.head(conversation)) >= hole.end ? hole : undefined
  }

  return async (conversation, range) => {
    for (;;) {
      const entries = await store.read(conversation, range)
      const hole = await findHole(conversation, range, entries)
      if (hole === undefined) return entries
      if (isOld(conversation, hole)) await store.fill(conversation, seqsOf(hole), clock())
      else if (range.newestFirst) await pause(pauseMs)
      else return entries.slice(0, hole.index)
    }
  }
}

/** Empty positions: `from` … `end - 1`. */
interface Hole {
  readonly from: number
  readonly end: number
  /** How many entries come before it. */
  readonly index: number
  /** False when it may just as well be the end of the log. */
  readonly isSure: boolean
}

/** The first of them, as many as one fill takes. */
function seqsOf({ from, end }: Hole): readonly number[] {
  return Array.from({ length: Math.min(end - from, fillMax) }, (_, n) => from + n)
}

/** The first hole in what was read. */
function holeIn(entries: readonly Entry[], range: ReadRange): Hole | undefined {
  const { after = 0, before, newestFirst = false } = range
  const first = entries[0]?.seq ?? after + 1
  const step = newestFirst ? -1 : 1
  let expected = newestFirst ? (before ?? first + 1) - 1 : after + 1
  for (const [index, { seq }] of entries.entries()) {
    if (seq !== expected) {
      const [from, end] = newestFirst ? [seq + 1, expected + 1] : [expected, seq]
      return { from, end, index, isSure: !newestFirst || index > 0 }
    }
    expected += step
  }
  // Oldest first, the log may end there. Newest first, what is large may have cut the page: then
  // the next page finds the hole.
  const isFull = range.bytesMax !== undefined || entries.length >= range.limit
  const isCut = entries.length > 0 && isFull
  const isPast = newestFirst && (entries.length > 0 || before !== undefined)
  if (!isPast || isCut || expected <= after) return undefined
  const from = after + 1
  return { from, end: expected + 1, index: entries.length, isSure: entries.length > 0 }
}
