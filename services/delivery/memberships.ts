// Changes of membership, and of what is known of a conversation, on their way to the sessions that
// are connected. The store says what holds; who tells of a change may be late or wrong.

import type { Conversation } from '../../protocol/entry.ts'
import type { MembershipChange } from '../conversations/conversations.ts'
import type { Membership } from '../conversations/ports.ts'
import type { Notices } from './notices.ts'
import type { Member } from './room.ts'
import type { ConnectedUser, Refreshed, Roster } from './roster.ts'

export interface Memberships {
  /** A membership was made or ended here; connected sessions follow when it resolves, and other
   * brokers are told. */
  membershipChanged(change: MembershipChange): Promise<void>
  /** A group has another title; its connected members are told. */
  renamed(conversation: Conversation): void
  /** Reads one membership of a connected user again, and takes over what has changed of it. */
  recheck(conversation: string, user: string): Promise<void>
  /** The same for all of them. */
  recheckUser(user: string): Promise<void>
}

interface MembershipsParts {
  readonly roster: Roster
  readonly notify: Notices['notify']
  /** Told what the store knows of a member who is known already. */
  readonly reread: (member: Member, membership: Membership) => void
}

export function makeMemberships({ roster, notify, reread }: MembershipsParts): Memberships {
  const tell = (user: string, type: 'joined' | 'left' | 'renamed', { room }: Member) => {
    const { conversation } = room
    if (conversation.kind !== 'group') return
    const { id, group, title } = conversation
    notify(user, 'event', { type, conversation: id, group, title })
  }

  const renamed = (conversation: Conversation) => {
    const room = roster.room(conversation.id)
    if (room === undefined) return
    room.conversation = conversation
    for (const member of room.members) tell(member.user, 'renamed', member)
  }

  const takeOver = (user: string, { left, joined, kept }: Refreshed) => {
    if (left !== undefined) tell(user, 'left', left)
    const guest = roster.get(user)
    if (joined?.active && guest !== undefined) {
      admit(guest, joined)
      tell(user, 'joined', joined)
    }
    if (kept === undefined) return
    const { member, membership } = kept
    member.room.memberCount = membership.members
    if (titleOf(member.room.conversation) !== titleOf(membership.conversation)) {
      renamed(membership.conversation)
    }
    reread(member, membership)
  }

  const recheck = async (conversation: string, user: string) => {
    for (const refreshed of await roster.refresh(conversation, user)) takeOver(user, refreshed)
  }

  return {
    async membershipChanged({ kind, conversation, user }) {
      // At once, whatever the store says later: who has left hears and says nothing more.
      const left = kind === 'left' ? roster.remove(conversation, user) : undefined
      if (left) tell(user, 'left', left)
      await recheck(conversation, user)
    },
    renamed,
    recheck,
    async recheckUser(user) {
      for (const refreshed of await roster.refreshAll(user)) takeOver(user, refreshed)
    },
  }
}

/** A connected user became a member: the sessions that subscribe to it listen from the join on. */
function admit(guest: ConnectedUser, member: Member): void {
  const { room, joinedSeq } = member
  for (const session of guest.sessions) {
    const qos = session.subscriptions.messageQos(room.conversation)
    if (qos === undefined || session.positions.has(room)) continue
    session.listen(member, { qos, acked: joinedSeq, sent: joinedSeq })
  }
}

function titleOf(conversation: Conversation): string {
  return conversation.kind === 'group' ? conversation.title : ''
}
