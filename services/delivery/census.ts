// How many are connected, and what their sessions are doing: looked up when somebody asks, so that
// nothing is counted meanwhile.

import type { Roster } from './roster.ts'
import type { SessionState } from './session.ts'

export interface Census {
  readonly users: number
  /** Conversations with a connected member. */
  readonly rooms: number
  readonly sessions: Readonly<Record<SessionState, number>>
}

/** Looks at all users and sessions. */
export function takeCensus(roster: Pick<Roster, 'users' | 'rooms'>): Census {
  const sessions = { starting: 0, live: 0, catchingUp: 0, windowFull: 0, leaving: 0, closed: 0 }
  let users = 0
  for (const user of roster.users()) {
    users++
    for (const { state } of user.sessions) sessions[state]++
  }
  let rooms = 0
  for (const all = roster.rooms(); !all.next().done; ) rooms++
  return { users, rooms, sessions }
}
