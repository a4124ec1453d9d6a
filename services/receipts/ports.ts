// What receipts and unread counts need of a store.

import type { DeviceName } from '../delivery/ports.ts'

/** A member's watermarks, to be raised. `joinedSeq` tells the membership from one before it. */
export interface MarkUpdate {
  readonly conversation: string
  readonly user: string
  readonly joinedSeq: number
  readonly delivered: number
  readonly read: number
}

/** A member's watermarks as others may see them: `read ≤ delivered`, and 0 when it is hidden. */
export interface VisibleMark {
  readonly user: string
  readonly delivered: number
  readonly read: number
}

/** How many entries of others, of kinds that count, have `after < seq ≤ through`. */
export interface CountRange {
  readonly conversation: string
  readonly user: string
  readonly after: number
  readonly through: number
}

export interface Tally {
  /** Members besides the asker, if there is one, who may see the entry. */
  readonly members: number
  /** How many of them have it on a device, and how many have read it. */
  readonly delivered: number
  readonly read: number
}

export interface ReceiptStore {
  /** Raises watermarks, in one transaction or, in a cluster, each by itself; `read` raises
   * `delivered` too, unless the member hides it: then others must not see that anything has
   * changed. A watermark never moves down; one of a membership that has ended is skipped. */
  raise(marks: readonly MarkUpdate[]): Promise<void>
  count(range: CountRange): Promise<number>
  /** The watermarks of all members, ordered by user, at most `limit`. */
  marksOf(conversation: string, limit: number): Promise<readonly VisibleMark[]>
  /** How far an entry has come, among the members who joined before it. */
  tally(question: {
    readonly conversation: string
    /** Who asks; not counted. Without it all are. */
    readonly user?: string
    readonly seq: number
  }): Promise<Tally>
  /** What changed, in the user's conversations of at most `membersMax` members, in the watermarks
   * of the other members since `slackMs` before the device was last seen; the newest `limit`, the
   * newest first. Nothing for a device that is unknown. */
  changedFor(
    device: DeviceName,
    bounds: { readonly membersMax: number; readonly slackMs: number; readonly limit: number },
  ): Promise<readonly (VisibleMark & { readonly conversation: string })[]>
  /** How far the user's durable devices have acknowledged a conversation, ordered by device. */
  devicesIn(
    conversation: string,
    user: string,
  ): Promise<readonly { readonly device: string; readonly acked: number }[]>
}
