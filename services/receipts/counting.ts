// Counting unread entries in the store, in pieces: however much is unread, the event loop is not
// held up.

import type { Turns } from '../delivery/turns.ts'
import type { CountRange, ReceiptStore } from './ports.ts'

/** Counts the entries of a range; it may be of any length. */
export type CountEntries = (range: CountRange) => Promise<number>

/** Makes the counting; `countAtOnceMax`: most positions that are looked at in one go. */
export function makeCountEntries(
  store: Pick<ReceiptStore, 'count'>,
  turns: Turns,
  countAtOnceMax: number,
): CountEntries {
  return async (range) => {
    let count = 0
    for (let after = range.after; after < range.through; after += countAtOnceMax) {
      await turns()
      const through = Math.min(range.through, after + countAtOnceMax)
      count += await store.count({ ...range, after, through })
    }
    return count
  }
}
