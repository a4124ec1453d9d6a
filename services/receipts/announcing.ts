// Tells how far members are: to the other members who are connected here, and to the brokers that
// have others connected.

import { makeReceipt } from '../../protocol/notices.ts'
import type { PeerMark } from '../bus/notices.ts'
import type { Peers } from '../bus/peers.ts'
import type { Engine } from '../delivery/engine.ts'
import type { Member, Room } from '../delivery/room.ts'

export interface AnnouncingParts {
  readonly engine: Pick<Engine, 'user' | 'room' | 'notifyMember' | 'listens'>
  readonly peers: Peers
}

/** Makes what tells of members, in conversations of at most `membersMax`. */
export function makeAnnouncing({ engine, peers }: AnnouncingParts, membersMax: number) {
  const tellHere = (room: Room, mark: PeerMark) => {
    let payload: string | undefined
    for (const other of room.members) {
      if (other.user === mark.user || !engine.listens(other, 'receipt')) continue
      payload ??= JSON.stringify(makeReceipt(room.conversation, mark.user, mark))
      engine.notifyMember(other, 'receipt', payload)
    }
  }

  peers.on('receipts', ({ conversation, marks }) => {
    const room = engine.room(conversation)
    if (room === undefined || room.memberCount > membersMax) return
    for (const mark of marks) {
      const own = engine.user(mark.user)?.memberships.get(conversation)
      // So that the same is not told from here, too.
      if (own !== undefined) own.delivered = Math.max(own.delivered, mark.delivered)
      tellHere(room, mark)
    }
  })

  return (members: Iterable<Member>): void => {
    const elsewhere = new Map<string, PeerMark[]>()
    for (const member of members) {
      const { room, hasLeft } = member
      // What was said of who has left is the last the others hear.
      if (hasLeft || room.memberCount > membersMax) continue
      const mark = visibleMark(member)
      tellHere(room, mark)
      if (peers.isAlone) continue
      const { id } = room.conversation
      const marks = elsewhere.get(id)
      if (marks === undefined) elsewhere.set(id, [mark])
      else marks.push(mark)
    }
    for (const [conversation, marks] of elsewhere) {
      peers.tell({ conversation }, { type: 'receipts', conversation, marks })
    }
  }
}

/** What the others may see. */
function visibleMark({ user, hidesReads, ...marks }: Member): PeerMark {
  const read = hidesReads ? 0 : marks.read
  // What was read while it was hidden has not raised it.
  return { user, delivered: Math.max(marks.delivered, read), read }
}
