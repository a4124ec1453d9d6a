// Where a device is in a conversation, as far as it can be known from outside: while a request is
// under way, or a membership changes, the next position is only known within bounds.

/** Where a device is in a conversation. */
export interface Track {
  /** The next new position is one of these; `max` is infinite while it is not known. */
  min: number
  max: number
  /** The highest position that was received, ever. */
  received: number
  /** The user has left: connections that began before `joinedAt` may still get positions up to
   * here, in any order. */
  staleMax: number
  joinedAt: number
  /** Grows whenever the order of positions may have a jump. */
  version: number
  /** A cursor above this must have been acknowledged. */
  base: number
  readonly acknowledged: Set<number>
}

export function makeTrack(): Track {
  return {
    min: 1,
    max: Number.POSITIVE_INFINITY,
    received: 0,
    staleMax: 0,
    joinedAt: Number.POSITIVE_INFINITY,
    version: 0,
    base: Number.POSITIVE_INFINITY,
    acknowledged: new Set(),
  }
}

/** The device may be anywhere from `min` on. */
export function loosen(track: Track, min: number): void {
  track.min = min
  track.max = Number.POSITIVE_INFINITY
  track.base = Number.POSITIVE_INFINITY
  track.version++
}

/** The device is at the head by now, at the latest. */
export function tighten(track: Track, head: number): void {
  track.max = Math.min(track.max, Math.max(head + 1, track.min))
  track.base = Math.min(track.base, head)
  track.version++
}
