// A conversation with someone connected: who listens here, how far its log is known to reach, and
// where each listener is in it.

import type { Conversation, Entry } from '../../protocol/entry.ts'
import type { CursorSource } from './cursors.ts'
import type { Delivery } from './delivery.ts'
import type { CursorUpdate } from './ports.ts'

export interface Room {
  /** Replaced as a whole when a group gets another title; its id stays. */
  conversation: Conversation
  /** How many members the conversation has, connected or not. */
  memberCount: number
  /** The newest position this process knows of; only moves up. */
  head: number
  /** The listening sessions' positions. */
  readonly positions: Set<Position>
  /** The members who are connected; the room is dropped with the last. */
  readonly members: Set<Member>
}

/** A connected user's part in a room. */
export interface Member {
  readonly user: string
  readonly room: Room
  readonly joinedSeq: number
  /** False once the user left or is not connected; routes that were remembered check it. */
  active: boolean
  /** The membership has ended; not when the user is merely away. */
  hasLeft: boolean
  /** What the user's memberships share. */
  readonly owner: MemberOwner
  /** As in `Membership`; kept by services/receipts. */
  delivered: number
  read: number
  mutedUntil: number
  hidesReads: boolean
}

/** A connected user, as memberships see them. */
export interface MemberOwner {
  /** Set while one of the user's sessions wants to know what is unread. */
  counter: Counter | undefined
}

/** Follows what is unread for one user. */
export interface Counter {
  /** An entry of the member's room; they may come twice or out of order. */
  announced(member: Member, entry: Entry): void
  /** Entries up to the room's head may have come that were not announced: a membership has begun,
   * or announcements were lost. */
  missed(member: Member): void
  /** The membership has ended. */
  left(member: Member): void
}

/** A session, as its positions see it. */
export interface Listener {
  readonly user: string
  readonly device: string
  /** The rooms it listens to. */
  readonly positions: ReadonlyMap<Room, Position>
  /** Takes a new entry of the position's room, or notes that there is one. */
  offer(position: Position, delivery: Delivery): void
  /** Compares all positions with their rooms' heads. */
  repair(): void
  /** Hears that a position of its own moved. */
  moved(position: Position): void
  /** Hears that a position was acknowledged further, and is not noted. */
  acknowledged(position: Position): void
}

/** `acked ≤ sent ≤ room.head`. Entries go out strictly by `sent + 1`. */
export class Position implements CursorSource {
  readonly session: Listener
  readonly member: Member
  readonly room: Room
  qos: 0 | 1
  /** Everything up to here is acknowledged, or needs no acknowledgement. */
  acked: number
  /** Everything up to here was written to this connection, or needs no writing. */
  sent: number
  /** Up to here an earlier connection was sent the entries: they carry DUP. */
  readonly resentUntil: number
  /** Deliveries of this position in the session's window. */
  unacknowledged = 0
  /** The newest entry of another user that was sent at QoS 1; 0 for none. */
  foreignSent = 0
  /** Entries above `sent` that the session itself published, and does not want; absent while there
   * was none. */
  own: Set<number> | undefined
  /** Whether somebody has noted to look how far this was acknowledged. */
  isNoted = false

  constructor(
    session: Listener,
    member: Member,
    start: { readonly qos: 0 | 1; readonly acked: number; readonly sent: number },
  ) {
    this.session = session
    this.member = member
    this.room = member.room
    this.qos = start.qos
    this.acked = start.acked
    this.sent = start.acked
    this.resentUntil = start.sent
  }

  isBehind(): boolean {
    return this.sent < this.room.head
  }

  isCurrent(): boolean {
    return this.session.positions.get(this.room) === this
  }

  cursor(): CursorUpdate {
    const { user, device } = this.session
    const sent = Math.max(this.sent, this.resentUntil)
    return { user, device, conversation: this.room.conversation.id, acked: this.acked, sent }
  }
}
