// The repair of lost announcements: on a slow timer, heads are read from the log and all sessions
// compare their positions with them. Without traffic to clients, and without a read for each
// conversation at each round. While other brokers are not heard, and once after that, it is quick.

import type { LogStore } from '../log/ports.ts'
import type { Room } from './room.ts'
import type { Roster } from './roster.ts'

interface RepairParts {
  readonly roster: Pick<Roster, 'rooms' | 'users'>
  readonly readHeads: LogStore['heads']
  /** Told when heads could not be read; the next round tries again. */
  readonly failed: (error: unknown) => void
  /** Whether what other brokers store is heard of; absent where there are none. */
  readonly hears?: () => boolean
}

export interface Repair {
  /** Entries of the room may have been missed until now: its head is read soon. */
  check(room: Room): void
  /** Anything may have been missed until now: all rooms are gone through quickly. */
  hurry(): void
  stop(): void
}

const roundMs = 5000
/** Rooms whose heads are read in one round: 10,000 of them are through in less than two minutes,
 * and in ten seconds when it is quick. */
const roomsPerRound = 500
const quickRoundMs = 500
/** Rooms that are opened within so long are checked together, ms. */
const checkDelayMs = 5

/** Starts the timers. */
export function startRepair({ roster, readHeads, failed, hears }: RepairParts): Repair {
  let rooms = roster.rooms()
  let isReading = false
  /** Whether the rooms are being gone through quickly: `again` to begin once more at the end. */
  let haste: 'none' | 'now' | 'again' = 'none'
  const asked = new Set<Room>()
  let asking: NodeJS.Timeout | undefined

  const take = () => {
    const taken: Room[] = []
    while (taken.length < roomsPerRound) {
      const next = rooms.next()
      if (next.done) {
        rooms = roster.rooms()
        haste = haste === 'again' ? 'now' : 'none'
        break
      }
      taken.push(next.value)
    }
    return taken
  }

  /** Reads the heads of rooms; resolves with those whose head was higher than known. */
  const raiseHeads = async (taken: readonly Room[]): Promise<readonly Room[]> => {
    if (taken.length === 0) return []
    const heads = await readHeads(taken.map(({ conversation }) => conversation.id))
    return taken.filter((room, index) => {
      const head = heads[index] ?? 0
      if (head <= room.head) return false
      room.head = head
      for (const member of room.members) member.owner.counter?.missed(member)
      return true
    })
  }

  /** Rooms that were gone through already may have been before what was missed. */
  const hurry = () => {
    if (haste === 'none') rooms = roster.rooms()
    haste = haste === 'none' ? 'now' : 'again'
  }

  const wake = (raised: readonly Room[]) => {
    for (const { positions } of raised) {
      for (const { session } of positions) session.repair()
    }
  }

  const round = async () => {
    isReading = true
    await raiseHeads(take()).catch(failed)
    isReading = false
    for (const { sessions } of roster.users()) for (const session of sessions) session.repair()
  }

  const quickRound = async () => {
    isReading = true
    wake(await raiseHeads(take()).catch(later))
    isReading = false
  }

  /** What could not be read is looked at again when all others were. */
  const later = (error: unknown) => {
    failed(error)
    hurry()
    return []
  }

  const answer = async () => {
    const taken = [...asked]
    asked.clear()
    for (let at = 0; at < taken.length; at += roomsPerRound) {
      wake(await raiseHeads(taken.slice(at, at + roomsPerRound)).catch(later))
    }
    asking = undefined
    if (asked.size > 0) ask()
  }
  const ask = () => {
    asking ??= setTimeout(() => void answer(), checkDelayMs).unref()
  }

  const timer = setInterval(() => void (isReading || round()), roundMs)
  timer.unref()
  const quickTimer =
    hears &&
    setInterval(() => {
      if (!isReading && (haste !== 'none' || !hears())) void quickRound()
    }, quickRoundMs)
  quickTimer?.unref()

  return {
    check(room) {
      asked.add(room)
      ask()
    },
    hurry,
    stop() {
      clearInterval(timer)
      clearInterval(quickTimer)
      clearTimeout(asking)
    },
  }
}
