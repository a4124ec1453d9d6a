// Watermarks of members, delivered and read: raised by what devices acknowledge and by read marks,
// written to the store, and announced to the other members who are connected.

import type { Logger } from '../../protocol/logger.ts'
import type { Peers } from '../bus/peers.ts'
import type { Engine } from '../delivery/engine.ts'
import type { Member, Position } from '../delivery/room.ts'
import { makeWriteBehind } from '../delivery/write-behind.ts'
import { makeAnnouncing } from './announcing.ts'
import type { MarkUpdate, ReceiptStore } from './ports.ts'
import { makeSaveRead } from './reads.ts'

export interface Watermarks {
  /** See `Watch`. */
  acknowledged(position: Position): void
  /** The member has read the entries up to `seq`, or to the head if that is lower. Resolves when
   * that is durable; rejects with `StoreFailure`. */
  read(member: Member, seq: number): Promise<void>
  /** The member has read more, and the others were told. */
  raiseRead(member: Member, read: number): void
  /** Tells the other members what has moved since the last time. */
  announce(): void
  /** Writes what these members' devices have acknowledged. */
  settle(members: Iterable<Member>): Promise<void>
  /** Writes everything until now. */
  settleAll(): Promise<void>
  close(): Promise<void>
}

export interface WatermarksParts {
  readonly engine: Pick<Engine, 'user' | 'room' | 'notifyMember' | 'listens'>
  readonly peers: Peers
  readonly store: Pick<ReceiptStore, 'raise'>
  /** Does store work, waiting while the store fails as a message does. */
  readonly attempt: <Result>(work: () => Promise<Result>) => Promise<Result>
  readonly logger: Logger
  /** Told that there is something to announce. */
  readonly moved: () => void
  /** Told that a connected member has read more. */
  readonly readMoved: (member: Member) => void
}

interface WatermarksOptions {
  /** Most members of a conversation whose receipts are announced. */
  readonly membersMax: number
  /** How often `delivered` is written, ms. */
  readonly flushMs: number
}

export function makeWatermarks(parts: WatermarksParts, options: WatermarksOptions): Watermarks {
  const { engine, peers, store, logger, moved } = parts
  const behind = makeWriteBehind<Member>(
    {
      save: (members) => store.raise(members.map(markOf)),
      logger,
      warning: 'receipts wait for the store',
    },
    options,
  )
  const announceAll = makeAnnouncing(parts, options.membersMax)
  const saveRead = makeSaveRead(store, parts.attempt)
  /** Positions that were acknowledged further. */
  let noted: Position[] = []
  /** Members of whom the others have to hear. */
  const unannounced = new Set<Member>()

  const collect = () => {
    const positions = noted
    noted = []
    for (const position of positions) {
      position.isNoted = false
      const { member } = position
      // Own entries reach their author's devices too, and are no news to anybody.
      const delivered = Math.min(position.acked, position.foreignSent)
      if (member.hasLeft || delivered <= member.delivered) continue
      member.delivered = delivered
      behind.changed(member)
      unannounced.add(member)
    }
  }

  /** False when that was known. */
  const raiseRead = (member: Member, read: number): boolean => {
    if (member.hasLeft || read <= member.read) return false
    member.read = read
    parts.readMoved(member)
    if (!member.hidesReads) member.delivered = Math.max(member.delivered, read)
    return true
  }

  const haveRead = (member: Member, read: number) => {
    if (!raiseRead(member, read)) return
    const { user, room, joinedSeq } = member
    const conversation = room.conversation.id
    peers.tell({ user }, { type: 'read', user, conversation, joinedSeq, read })
    if (member.hidesReads) return
    unannounced.add(member)
    moved()
  }

  peers.on('read', ({ user, conversation, joinedSeq, read }) => {
    const member = engine.user(user)?.memberships.get(conversation)
    if (member?.joinedSeq === joinedSeq) raiseRead(member, read)
  })

  return {
    acknowledged(position) {
      noted.push(position)
      moved()
    },
    async read(member, seq) {
      const read = Math.min(seq, member.room.head)
      if (read <= member.read) return
      // Not what was delivered: when that is written must not tell when a hidden mark was set.
      await saveRead({ ...markOf(member), delivered: 0, read })
      // The user may have come anew meanwhile, with memberships read before this was durable.
      const current = engine.user(member.user)?.memberships.get(member.room.conversation.id)
      haveRead(current?.joinedSeq === member.joinedSeq ? current : member, read)
    },
    raiseRead,
    announce() {
      collect()
      announceAll(unannounced)
      unannounced.clear()
    },
    settle(members) {
      collect()
      return behind.flush(members)
    },
    async settleAll() {
      collect()
      await behind.flushAll()
    },
    close() {
      collect()
      return behind.close()
    },
  }
}

function markOf({ user, room, joinedSeq, delivered, read }: Member): MarkUpdate {
  return { conversation: room.conversation.id, user, joinedSeq, delivered, read }
}
