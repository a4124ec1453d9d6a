// How far a conversation has come, for who asks or comes back: over HTTP, and to a device that was
// away while receipts were announced.

import type { Clock } from '../../protocol/clock.ts'
import { Refusal } from '../../protocol/errors.ts'
import type { Logger } from '../../protocol/logger.ts'
import { makeReceipt } from '../../protocol/notices.ts'
import type { ConversationStore, Membership } from '../conversations/ports.ts'
import type { Engine } from '../delivery/engine.ts'
import type { Member } from '../delivery/room.ts'
import type { Session } from '../delivery/session.ts'
import { makeTurns } from '../delivery/turns.ts'
import type { ReceiptStore, Tally, VisibleMark } from './ports.ts'
import { makeSharedTally } from './tallies.ts'
import type { Watermarks } from './watermarks.ts'

interface Report extends Tally {
  readonly seq: number
  /** The other members, ordered by user; absent in a conversation of many. */
  readonly list?: readonly VisibleMark[]
  /** How far the asker's own durable devices are, ordered by device. */
  readonly devices: readonly { readonly device: string; readonly acked: number }[]
}

export interface Reports {
  /** How far the entry at `seq` (the newest, if absent) has come. Throws `Refusal('not-found')`
   * when the user is not a member, or has joined after that entry. In a conversation of many what
   * is told may be a second old, and `Refusal('rate-limited')` is thrown when too many of its
   * entries are asked about. */
  report(request: {
    readonly user: string
    readonly conversation: string
    readonly seq?: number | undefined
  }): Promise<Report>
  /** Tells a device that is back what the others have received and read while it was away. */
  catchUp(session: Session): void
}

interface ReportsParts {
  readonly engine: Pick<Engine, 'user' | 'room' | 'notifySession'>
  readonly store: Pick<ReceiptStore, 'tally' | 'marksOf' | 'changedFor' | 'devicesIn'>
  readonly conversations: Pick<ConversationStore, 'membership'>
  readonly watermarks: Pick<Watermarks, 'settle'>
  readonly clock: Clock
  readonly logger: Logger
}

interface ReportsOptions {
  /** Most members of a conversation whose receipts are told one by one. */
  readonly membersMax: number
}

/** Most receipts a device gets when it comes back. */
const catchUpMax = 500
/** How much longer than it was noted a device may have been away: a connection that is dead is not
 * noticed at once, and what is sent to it then is lost. */
const slackMs = 600_000
const catchUpsPerTurn = 4
/** Of what was before the asker joined. */
const nobody: Tally = { members: 0, delivered: 0, read: 0 }

export function makeReports(parts: ReportsParts, { membersMax }: ReportsOptions): Reports {
  const { engine, store, conversations, watermarks } = parts
  const turns = makeTurns(catchUpsPerTurn)

  const settle = (conversation: string) =>
    watermarks.settle(engine.room(conversation)?.members ?? [])

  const tallyOfMany = makeSharedTally(async (conversation, seq) => {
    await settle(conversation)
    return store.tally({ conversation, seq })
  }, parts.clock)

  const ownDevices = async (conversation: string, user: string) => {
    const acked = new Map<string, number>()
    for (const cursor of await store.devicesIn(conversation, user)) {
      acked.set(cursor.device, cursor.acked)
    }
    const room = engine.room(conversation)
    for (const { device, durable, positions } of engine.user(user)?.sessions ?? []) {
      const position = room && positions.get(room)
      if (durable && position) acked.set(device, position.acked)
    }
    const devices = [...acked].map(([device, acked]) => ({ device, acked }))
    return devices.sort((a, b) => (a.device < b.device ? -1 : 1))
  }

  const tellChanges = async (session: Session) => {
    await turns()
    const guest = engine.user(session.user)
    if (guest === undefined) return
    // What is known and not stored yet was announced before the device was there.
    await watermarks.settle(othersOf(guest.memberships.values(), membersMax))
    const changes = await store.changedFor(session, { membersMax, slackMs, limit: catchUpMax })
    for (const { conversation: id, ...mark } of changes) {
      const member = guest.memberships.get(id)
      if (member === undefined) continue
      const { conversation } = member.room
      const visible = sinceJoined(mark, member.joinedSeq)
      const payload = JSON.stringify(makeReceipt(conversation, mark.user, visible))
      engine.notifySession(session, { conversation, leaf: 'receipt' }, payload)
    }
  }

  return {
    async report({ user, conversation, seq: asked }) {
      const membership = await conversations.membership(conversation, user)
      if (membership === undefined) throw new Refusal('not-found')
      const { joinedSeq } = membership
      // What was before the asker joined is none of the asker's business.
      if (asked !== undefined && asked <= joinedSeq) throw new Refusal('not-found')
      const seq = asked ?? membership.head
      if (membership.members > membersMax) {
        const all = seq > joinedSeq ? await tallyOfMany(conversation, seq) : nobody
        const own = await conversations.membership(conversation, user)
        return { seq, ...without(all, own, seq), devices: await ownDevices(conversation, user) }
      }
      await settle(conversation)
      const tally = seq > joinedSeq ? await store.tally({ conversation, user, seq }) : nobody
      const devices = await ownDevices(conversation, user)
      const marks = await store.marksOf(conversation, membersMax)
      const others = marks.filter((mark) => mark.user !== user)
      const list = others.map((mark) => sinceJoined(mark, joinedSeq))
      return { seq, ...tally, list, devices }
    },
    catchUp(session) {
      if (!session.durable || !session.subscriptions.hasAnyLeaf('receipt')) return
      tellChanges(session).catch((err: unknown) => {
        parts.logger.debug({ err }, 'receipts could not be read for a device that is back')
      })
    },
  }
}

/** Watermarks as they are for who joined after `joinedSeq`: 0 for what is no further. */
function sinceJoined({ user, delivered, read }: VisibleMark, joinedSeq: number): VisibleMark {
  const since = (seq: number) => (seq > joinedSeq ? seq : 0)
  return { user, delivered: since(delivered), read: since(read) }
}

/** The other connected members of a user's small conversations. */
function* othersOf(memberships: Iterable<Member>, membersMax: number): Iterable<Member> {
  for (const { user, room } of memberships) {
    if (room.memberCount > membersMax) continue
    for (const other of room.members) if (other.user !== user) yield other
  }
}

/** The tally without the asker, who may have come further or left since it was made. */
function without(all: Tally, own: Membership | undefined, seq: number): Tally {
  if (own === undefined || own.joinedSeq >= seq) return all
  const less = (count: number, isOne: boolean) => (isOne ? Math.max(0, count - 1) : count)
  const read = own.hidesReads ? 0 : own.read
  return {
    members: less(all.members, true),
    delivered: less(all.delivered, Math.max(own.delivered, read) >= seq),
    read: less(all.read, read >= seq),
  }
}
