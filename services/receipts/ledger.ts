// What is unread for one connected user, exactly, while entries are stored, read and counted at the
// same time. Counts nothing before something changes: until then nobody needs the numbers.

import type { Clock } from '../../protocol/clock.ts'
import type { Entry } from '../../protocol/entry.ts'
import { countsAsUnread } from '../../protocol/kinds.ts'
import type { UnreadEvent } from '../../protocol/notices.ts'
import type { Counter, Member } from '../delivery/room.ts'
import type { CountRange } from './ports.ts'

/** `count` entries that count have `from < seq ≤ through`. It is exact when these are the base of
 * the member (`baseOf`) and the head of the room. Replaced by a new one to begin anew, so that what
 * was asked of the store for the old one is dropped. */
interface Tally {
  from: number
  through: number
  count: number
}

export interface LedgerParts {
  /** The memberships of the user, followed as they change. */
  readonly memberships: ReadonlyMap<string, Member>
  readonly clock: Clock
  /** Counts a range of at most `countAtOnceMax` positions, when it is its turn. */
  readonly count: (range: CountRange) => Promise<number>
  readonly countAtOnceMax: number
  /** Told when there may be something to tell the user. */
  readonly changed: () => void
  /** Told when the store could not be asked; it is tried again. */
  readonly failed: (error: unknown) => void
}

/** Longest time a timer is set for, ms. */
const sleepMsMax = 3_600_000

export class Ledger implements Counter {
  readonly #parts: LedgerParts
  /** Undefined until the first change. */
  #tallies: Map<Member, Tally> | undefined
  /** Members whose tally is not exact. */
  readonly #inexact = new Set<Member>()
  /** The one whose tally waits for the store. */
  #counting: Member | undefined
  #isWorking = false
  /** Conversations whose numbers the user has to be told, those that were left among them. */
  readonly #untold = new Set<string>()
  #muteTimer: NodeJS.Timeout | undefined
  /** Mutes that ended until then are told of. */
  #watchedUntil: number

  constructor(parts: LedgerParts) {
    this.#parts = parts
    this.#watchedUntil = parts.clock()
    this.#watchMutes()
  }

  announced(member: Member, entry: Entry): void {
    const isUnread = entry.from !== member.user && countsAsUnread(entry.body.kind)
    if (this.#tallies !== undefined) this.#extend(member, entry.seq, isUnread)
    if (isUnread) this.#change(member)
  }

  /** The member has read more. */
  read(member: Member): void {
    const tally = this.#tallies?.get(member)
    if (tally !== undefined) this.#check(member, tally)
    this.#change(member)
  }

  /** The member has muted the conversation, or not any more. */
  muted(member: Member): void {
    this.#watchMutes()
    this.#change(member)
  }

  missed(member: Member): void {
    if (baseOf(member) === member.room.head) return
    const tally = this.#tallies?.get(member)
    if (tally !== undefined) this.#check(member, tally)
    else if (this.#tallies !== undefined) this.#open(member)
    this.#change(member)
  }

  left(member: Member): void {
    this.#tallies?.delete(member)
    this.#inexact.delete(member)
    // Whether that counted may not be known; the badge is told once more than needed at worst.
    if (baseOf(member) < member.room.head) this.#change(member)
  }

  /** The events the user is owed, one for each conversation that changed. None while the numbers
   * are being counted: `changed` is called again when they are there. */
  takeEvents(): readonly UnreadEvent[] {
    if (this.#untold.size === 0) return []
    const tallies = this.#count()
    if (this.#inexact.size > 0) {
      void this.#work()
      return []
    }
    const badge = this.#badge(tallies)
    const events = [...this.#untold].map((conversation): UnreadEvent => {
      const member = this.#parts.memberships.get(conversation)
      const unread = (member && tallies.get(member)?.count) ?? 0
      return { type: 'unread', conversation, unread, read: member?.read ?? 0, badge }
    })
    this.#untold.clear()
    return events
  }

  close(): void {
    clearTimeout(this.#muteTimer)
    this.#untold.clear()
    this.#inexact.clear()
    this.#tallies?.clear()
  }

  #change(member: Member): void {
    this.#untold.add(member.room.conversation.id)
    this.#parts.changed()
  }

  #badge(tallies: ReadonlyMap<Member, Tally>): number {
    const now = this.#parts.clock()
    let badge = 0
    for (const [member, { count }] of tallies) if (member.mutedUntil <= now) badge += count
    return badge
  }

  /** The tallies, begun if need be. */
  #count(): Map<Member, Tally> {
    if (this.#tallies !== undefined) return this.#tallies
    const tallies = new Map<Member, Tally>()
    this.#tallies = tallies
    for (const member of this.#parts.memberships.values()) this.#open(member)
    return tallies
  }

  #open(member: Member): Tally {
    const base = baseOf(member)
    const tally = { from: base, through: base, count: 0 }
    this.#tallies?.set(member, tally)
    if (base >= member.room.head) this.#inexact.delete(member)
    else this.#inexact.add(member)
    return tally
  }

  #check(member: Member, tally: Tally): void {
    const base = baseOf(member)
    if (base > tally.from && base >= tally.through) this.#open(member)
    else if (base === tally.from && tally.through >= member.room.head) this.#inexact.delete(member)
    else this.#inexact.add(member)
  }

  /** Takes an entry that was announced, if it is the next one. */
  #extend(member: Member, seq: number, isUnread: boolean): void {
    const tally = this.#tallies?.get(member) ?? this.#open(member)
    // The store is being asked about what follows: the entry is counted there.
    if (this.#counting !== member && seq === tally.through + 1) {
      tally.through = seq
      if (isUnread) tally.count++
    }
    this.#check(member, tally)
  }

  async #work(): Promise<void> {
    if (this.#isWorking) return
    this.#isWorking = true
    try {
      for (const member of this.#inexact) {
        this.#counting = member
        await this.#approach(member)
      }
    } catch (error) {
      this.#parts.failed(error)
    } finally {
      this.#counting = undefined
      this.#isWorking = false
    }
    if (this.#untold.size > 0) this.#parts.changed()
  }

  /** Counts piece by piece until the tally is exact. Base and head may move meanwhile. */
  async #approach(member: Member): Promise<void> {
    for (;;) {
      const tally = this.#tallies?.get(member)
      if (tally === undefined || !this.#inexact.has(member)) return
      const base = baseOf(member)
      const isFar = base - tally.from > tally.through - base
      // What was read is subtracted, unless it is less work to count the rest anew.
      if (isFar) this.#open(member)
      else if (tally.from < base) await this.#subtract(member, tally)
      else await this.#add(member, tally)
    }
  }

  async #subtract(member: Member, tally: Tally): Promise<void> {
    const through = Math.min(baseOf(member), tally.from + this.#parts.countAtOnceMax)
    const count = await this.#ask(member, tally.from, through)
    if (this.#tallies?.get(member) !== tally) return
    tally.count -= count
    tally.from = through
    this.#check(member, tally)
  }

  async #add(member: Member, tally: Tally): Promise<void> {
    const through = Math.min(member.room.head, tally.through + this.#parts.countAtOnceMax)
    const count = await this.#ask(member, tally.through, through)
    if (this.#tallies?.get(member) !== tally) return
    tally.count += count
    tally.through = through
    this.#check(member, tally)
  }

  #ask({ user, room }: Member, after: number, through: number): Promise<number> {
    return this.#parts.count({ conversation: room.conversation.id, user, after, through })
  }

  /** Tells of the mutes that have ended since the last time, and sleeps until the next one does. */
  #watchMutes(): void {
    clearTimeout(this.#muteTimer)
    const now = this.#parts.clock()
    let next = Number.POSITIVE_INFINITY
    for (const member of this.#parts.memberships.values()) {
      const { mutedUntil } = member
      if (mutedUntil > now) next = Math.min(next, mutedUntil)
      else if (mutedUntil > this.#watchedUntil && this.#mayHaveUnread(member)) this.#change(member)
    }
    this.#watchedUntil = now
    if (next === Number.POSITIVE_INFINITY) return
    this.#muteTimer = setTimeout(() => this.#watchMutes(), Math.min(next - now, sleepMsMax))
    this.#muteTimer.unref()
  }

  #mayHaveUnread(member: Member): boolean {
    return this.#tallies === undefined || this.#tallies.get(member)?.count !== 0
  }
}

/** What is above it is unread. */
function baseOf({ read, joinedSeq }: Member): number {
  return Math.max(read, joinedSeq)
}
