// The checker of one receiver: has each sender's messages come once each, and in order? What is
// lost follows from what was sent less what was new.

/** `new`, in order; `late`, new but overtaken by a later one of its sender; `duplicate`. */
type Arrival = 'new' | 'late' | 'duplicate'

export interface Checker {
  /** Notes message `number` of a sender; each sender counts from 0. */
  note(sender: number, number: number): Arrival
}

/** Everything below `next` has come; `ahead` holds what came above it. */
interface Track {
  next: number
  ahead: Set<number> | undefined
  highest: number
}

export function makeChecker(): Checker {
  const tracks = new Map<number, Track>()

  return {
    note(sender, number) {
      let track = tracks.get(sender)
      if (track === undefined) {
        track = { next: 0, ahead: undefined, highest: -1 }
        tracks.set(sender, track)
      }
      if (number === track.next && track.ahead === undefined) {
        track.next++
        track.highest = number
        return 'new'
      }
      return noteOutOfTurn(track, number)
    },
  }
}

function noteOutOfTurn(track: Track, number: number): Arrival {
  if (number < track.next || track.ahead?.has(number)) return 'duplicate'
  track.ahead ??= new Set()
  track.ahead.add(number)
  while (track.ahead.delete(track.next)) track.next++
  if (track.ahead.size === 0) track.ahead = undefined
  if (number < track.highest) return 'late'
  track.highest = number
  return 'new'
}
