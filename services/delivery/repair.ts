// The repair of lost announcements: on a slow timer, heads are read from the log and all sessions
// compare their positions with them. Without traffic to clients, and without a read for each
// conversation at each round.

import type { LogStore } from '../log/ports.ts'
import type { Room } from './room.ts'
import type { Roster } from './roster.ts'

interface RepairParts {
  readonly roster: Pick<Roster, 'rooms' | 'users'>
  readonly readHeads: LogStore['heads']
  /** Told when heads could not be read; the next round tries again. */
  readonly failed: (error: unknown) => void
}

const roundMs = 5000
/** Rooms whose heads are read in one round: 10,000 of them are through in less than two minutes. */
const roomsPerRound = 500

/** Starts the timer; returns what stops it. */
export function startRepair({ roster, readHeads, failed }: RepairParts): () => void {
  let rooms = roster.rooms()
  let isReading = false

  const take = () => {
    const taken: Room[] = []
    while (taken.length < roomsPerRound) {
      const next = rooms.next()
      if (next.done) {
        rooms = roster.rooms()
        break
      }
      taken.push(next.value)
    }
    return taken
  }

  const raiseHeads = async () => {
    const taken = take()
    if (taken.length === 0) return
    const heads = await readHeads(taken.map(({ conversation }) => conversation.id))
    for (const [index, room] of taken.entries()) {
      const head = heads[index] ?? 0
      if (head <= room.head) continue
      room.head = head
      for (const member of room.members) member.owner.counter?.missed(member)
    }
  }

  const round = async () => {
    isReading = true
    await raiseHeads().catch(failed)
    isReading = false
    for (const { sessions } of roster.users()) for (const session of sessions) session.repair()
  }

  const timer = setInterval(() => void (isReading || round()), roundMs)
  timer.unref()
  return () => clearInterval(timer)
}
