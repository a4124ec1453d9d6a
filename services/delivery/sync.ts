// A device says how far it is by itself, in the conversations it names, and gets what it missed:
// for clients that keep their own positions instead of a durable session.

import type { Member } from './room.ts'
import type { Roster } from './roster.ts'
import type { SaveSession } from './save-session.ts'
import type { Session } from './session.ts'

/** Positions by conversation: everything up to there is known to the device. */
type Positions = ReadonlyMap<string, number>

/** Sets a session's positions, up or down. Conversations its user is no member of are passed over;
 * one that the session does not subscribe to yet starts there when it does. What an older position
 * has on its way is not waited for. Resolves when it would survive a crash. */
export type Sync = (session: Session, positions: Positions) => Promise<void>

export function makeSync(save: SaveSession, roster: Roster): Sync {
  const startIn = ({ room, joinedSeq }: Member, seq: number) =>
    Math.min(Math.max(seq, joinedSeq), room.head)

  return async (session, positions) => {
    const memberships = roster.get(session.user)?.memberships
    const cursors: { conversation: string; acked: number; sent: number }[] = []
    for (const [conversation, seq] of positions) {
      const member = memberships?.get(conversation)
      if (member === undefined) continue
      const acked = startIn(member, seq)
      cursors.push({ conversation, acked, sent: acked })
      session.reposition(member, acked)
    }
    session.oweCaughtUp()
    await save(session, { cursors })
  }
}
