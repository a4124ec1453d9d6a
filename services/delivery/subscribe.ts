// SUBSCRIBE and UNSUBSCRIBE: what is granted, from where a device listens, and what the store
// remembers of it. Filters of plain topics are only remembered.

import { groupConversation } from '../../protocol/ids.ts'
import { reasonCode } from '../../protocol/reasons.ts'
import { parseChatFilter } from '../../protocol/topics.ts'
import type { Cursor, SubscriptionOptions } from './ports.ts'
import type { Member, Room } from './room.ts'
import type { Roster } from './roster.ts'
import type { SaveSession } from './save-session.ts'
import type { Session } from './session.ts'

export interface SubscribeRequest extends SubscriptionOptions {
  readonly filter: string
  /** As asked for; 2 is granted as 1, which the specification allows, but for plain topics. */
  readonly qos: 0 | 1 | 2
  /** A filter of plain topics, found to be granted by who asks. */
  readonly isPlain?: boolean
}

/** Granted QoS, or why it was refused, as MQTT 5 says it. */
export type SubscribeCode =
  | 0
  | 1
  | 2
  | typeof reasonCode.notAuthorized
  | typeof reasonCode.quotaExceeded

interface Subscriber {
  subscribe(
    session: Session,
    requests: readonly SubscribeRequest[],
  ): Promise<readonly SubscribeCode[]>
  unsubscribe(session: Session, filters: readonly string[]): Promise<void>
}

export function makeSubscriber(save: SaveSession, roster: Roster): Subscriber {
  const membersOf = (session: Session): Iterable<Member> =>
    roster.get(session.user)?.memberships.values() ?? []

  const mayHear = (session: Session, text: string): boolean => {
    const filter = parseChatFilter(text)
    if (filter === undefined) return false
    if (filter.kind === 'user') return filter.user === session.user
    if (filter.group === '+') return true
    const conversation = groupConversation(filter.group)
    return roster.get(session.user)?.memberships.has(conversation) ?? false
  }

  const grant = (session: Session, request: SubscribeRequest): SubscribeCode => {
    const { subscriptions } = session
    const { qos, isPlain = false, ...asked } = request
    const { filter } = asked
    if (!isPlain && !mayHear(session, filter)) return reasonCode.notAuthorized
    if (!subscriptions.mayAdd(filter)) return reasonCode.quotaExceeded
    const granted = isPlain || qos === 0 ? qos : 1
    subscriptions.set({ ...asked, qos: granted })
    return granted
  }

  return {
    async subscribe(session, requests) {
      const before = session.subscriptions.version()
      const answers = requests.map((request) => grant(session, request))
      const starts: Start[] = []
      for (const { room } of membersOf(session)) {
        const qos = session.subscriptions.messageQos(room.conversation)
        const position = session.positions.get(room)
        if (qos === undefined) continue
        if (position === undefined) starts.push({ room, qos, from: session.startIn(room) })
        else position.qos = qos
      }
      // Apps subscribe anew at each connect: what is known is not written again.
      const isNew = session.subscriptions.version() > before || starts.length > 0
      if (isNew) await save(session, { cursors: starts.map(cursorOf) })
      for (const { room, qos, from } of starts) {
        // Entries that came meanwhile are above it: they are caught up with.
        const member = roster.get(session.user)?.memberships.get(room.conversation.id)
        if (member?.room === room && !session.positions.has(room)) {
          session.listen(member, { qos, acked: from, sent: from })
        }
      }
      session.subscribed()
      return answers
    },
    async unsubscribe(session, filters) {
      for (const filter of filters) session.subscriptions.delete(filter)
      const dropped: Room[] = []
      for (const [room, position] of session.positions) {
        const qos = session.subscriptions.messageQos(room.conversation)
        if (qos === undefined) dropped.push(room)
        else position.qos = qos
      }
      for (const room of dropped) session.ignore(room)
      await save(session, { dropped: dropped.map((room) => room.conversation.id) })
    },
  }
}

interface Start {
  readonly room: Room
  readonly qos: 0 | 1
  readonly from: number
}

function cursorOf({ room, from }: Start): Cursor {
  return { conversation: room.conversation.id, acked: from, sent: from }
}
