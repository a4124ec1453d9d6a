// Watermarks of members, delivered and read: raised by what devices acknowledge and by read marks,
// written to the store, and announced to the other members who are connected.

import type { Logger } from '../../protocol/logger.ts'
import { makeReceipt, type Receipt } from '../../protocol/notices.ts'
import type { Engine } from '../delivery/engine.ts'
import type { Member, Position } from '../delivery/room.ts'
import { makeWriteBehind } from '../delivery/write-behind.ts'
import type { MarkUpdate, ReceiptStore } from './ports.ts'
import { makeSaveRead } from './reads.ts'

export interface Watermarks {
  /** See `Watch`. */
  acknowledged(position: Position): void
  /** The member has read the entries up to `seq`, or to the head if that is lower. Resolves when
   * that is durable; rejects with `StoreFailure`. */
  read(member: Member, seq: number): Promise<void>
  /** Tells the other members what has moved since the last time. */
  announce(): void
  /** Writes what these members' devices have acknowledged. */
  settle(members: Iterable<Member>): Promise<void>
  /** Writes everything until now. */
  settleAll(): Promise<void>
  close(): Promise<void>
}

export interface WatermarksParts {
  readonly engine: Pick<Engine, 'user' | 'notifyMember' | 'listens'>
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
  const { engine, store, logger, moved } = parts
  const behind = makeWriteBehind<Member>(
    {
      save: (members) => store.raise(members.map(markOf)),
      logger,
      warning: 'receipts wait for the store',
    },
    options,
  )
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

  const haveRead = (member: Member, read: number) => {
    if (member.hasLeft || read <= member.read) return
    member.read = read
    parts.readMoved(member)
    if (member.hidesReads) return
    member.delivered = Math.max(member.delivered, read)
    unannounced.add(member)
    moved()
  }

  const tell = (member: Member) => {
    const { room, user } = member
    // What was said of the member before is the last the others hear.
    if (member.hasLeft) return
    if (room.memberCount > options.membersMax) return
    let payload: string | undefined
    for (const other of room.members) {
      if (other.user === user || !engine.listens(other, 'receipt')) continue
      payload ??= JSON.stringify(visibleReceipt(member))
      engine.notifyMember(other, 'receipt', payload)
    }
  }

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
    announce() {
      collect()
      for (const member of unannounced) tell(member)
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

/** What the others may see. */
function visibleReceipt({ room, user, hidesReads, ...marks }: Member): Receipt {
  const read = hidesReads ? 0 : marks.read
  // What was read while it was hidden has not raised it.
  const delivered = Math.max(marks.delivered, read)
  return makeReceipt(room.conversation, user, { delivered, read })
}
