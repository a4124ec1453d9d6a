// Notices: QoS 0 messages that are not in the log (events, receipts, typing, explanations), to the
// sessions that listen. A device that does not read is told nothing: only the log is worth memory.

import type { Conversation } from '../../protocol/entry.ts'
import type { Leaf } from '../../protocol/topics.ts'
import { groupTopic, userTopic } from '../../protocol/topics.ts'
import type { Member } from './room.ts'
import type { Roster } from './roster.ts'
import type { Session } from './session.ts'

/** What a notice is about: a conversation, and the leaf it goes to. */
interface Subject {
  readonly conversation: Conversation
  readonly leaf: Leaf
}

export interface Notices {
  /** Sends a message to the user's sessions that listen to the leaf below `u/<user>/`. */
  notify(user: string, leaf: Leaf, message: object): void
  /** Sends a payload about the member's conversation to the member's sessions that listen to its
   * leaf: below `g/<group>/`, or for a direct one below `u/<user>/`. */
  notifyMember(member: Member, leaf: Leaf, payload: string): void
  /** Whether one of the member's sessions listens to that leaf. */
  listens(member: Member, leaf: Leaf): boolean
  /** The same to one session. */
  notifySession(session: Session, subject: Subject, payload: string): void
}

export function makeNotices(
  roster: Pick<Roster, 'get'>,
  { windowBytesMax }: { readonly windowBytesMax: number },
): Notices {
  const mayTake = ({ state, link }: Session): boolean =>
    state !== 'starting' && state !== 'closed' && link.unsentBytes() < windowBytesMax

  const notifySession: Notices['notifySession'] = (session, { conversation, leaf }, payload) => {
    if (!mayTake(session) || !session.subscriptions.hasLeaf(conversation, leaf)) return
    const topic =
      conversation.kind === 'group'
        ? groupTopic(conversation.group, leaf)
        : userTopic(session.user, leaf)
    session.link.notify(topic, payload)
  }

  return {
    notify(user, leaf, message) {
      const payload = JSON.stringify(message)
      for (const session of roster.get(user)?.sessions ?? []) {
        if (!mayTake(session) || !session.subscriptions.hasUserLeaf(leaf)) continue
        session.link.notify(userTopic(user, leaf), payload)
      }
    },
    notifyMember({ user, room }, leaf, payload) {
      const subject = { conversation: room.conversation, leaf }
      for (const session of roster.get(user)?.sessions ?? []) {
        notifySession(session, subject, payload)
      }
    },
    listens({ user, room }, leaf) {
      for (const { subscriptions } of roster.get(user)?.sessions ?? []) {
        if (subscriptions.hasLeaf(room.conversation, leaf)) return true
      }
      return false
    },
    notifySession,
  }
}
