// How far the entries of large conversations have come: a look at every member, so it is shared by
// all who ask within a second, and few entries are looked at in that time.

import { makeBoundedMap } from '../../protocol/bounded-map.ts'
import type { Clock } from '../../protocol/clock.ts'
import { Refusal } from '../../protocol/errors.ts'
import type { Tally } from './ports.ts'

/** How far an entry has come among all members, up to a second ago. Throws
 * `Refusal('rate-limited')` when too many entries of the conversation were asked about. */
export type SharedTally = (conversation: string, seq: number) => Promise<Tally>

/** What was asked since `since`, by seq. */
interface Second {
  readonly since: number
  readonly tallies: Map<number, Promise<Tally>>
  /** How many are under way. */
  running: number
}

const keptMs = 1000
/** Most entries of one conversation that are looked at in `keptMs`. */
const entriesMax = 4
const conversationsMax = 1000

/** Makes the sharing; `count` looks at every member. */
export function makeSharedTally(count: SharedTally, clock: Clock): SharedTally {
  const seconds = makeBoundedMap<string, Second>(conversationsMax)

  const secondOf = (conversation: string): Second => {
    const now = clock()
    const known = seconds.get(conversation)
    // One that is under way is not begun again, however long it takes.
    if (known && (known.running > 0 || Math.abs(now - known.since) < keptMs)) return known
    const second = { since: now, tallies: new Map(), running: 0 }
    seconds.set(conversation, second)
    return second
  }

  return async (conversation, seq) => {
    const second = secondOf(conversation)
    const known = second.tallies.get(seq)
    if (known !== undefined) return known
    if (second.tallies.size >= entriesMax) throw new Refusal('rate-limited')
    second.running++
    const tally = count(conversation, seq).finally(() => second.running--)
    second.tallies.set(seq, tally)
    return tally
  }
}
