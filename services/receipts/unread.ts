// Unread: how much each user has not read, pushed to connected users who want to know, and answered
// to whoever asks. An absent user costs nothing.

import type { Clock } from '../../protocol/clock.ts'
import { Refusal } from '../../protocol/errors.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { Peers } from '../bus/peers.ts'
import type { ConversationStore } from '../conversations/ports.ts'
import type { Engine } from '../delivery/engine.ts'
import type { Member } from '../delivery/room.ts'
import type { ConnectedUser } from '../delivery/roster.ts'
import type { Session } from '../delivery/session.ts'
import { makeTurns } from '../delivery/turns.ts'
import { makeCountEntries } from './counting.ts'
import { Ledger } from './ledger.ts'
import { makeLists, type UnreadList } from './lists.ts'
import type { ReceiptStore } from './ports.ts'

export interface Unread {
  /** A session is there, or has other subscriptions: its user is told if it listens. */
  listens(session: Session): void
  gone(user: ConnectedUser): void
  readMoved(member: Member): void
  /** The member has muted the conversation until then, or not any more: 0. */
  muted(member: Member, until: number): void
  /** Sends the events that are owed. */
  push(): void
  /** Counted in the store; exact for the moment at which the counting began. Who asks while the
   * user's list is being counted shares it. Throws `Refusal('rate-limited')` when too many users
   * wait, and `Refusal('store-unavailable')` when the server stops meanwhile. */
  list(user: string): Promise<UnreadList>
  /** Mutes a conversation until a time, ms since the epoch; null ends it. Throws
   * `Refusal('not-found')` when the user is not a member. */
  mute(request: {
    readonly user: string
    readonly conversation: string
    readonly until: number | null
  }): Promise<void>
  /** Ends what is being counted; nothing is asked of the store any more. */
  close(): void
}

export interface UnreadParts {
  readonly engine: Pick<Engine, 'user' | 'notify'>
  readonly store: Pick<ReceiptStore, 'count'>
  readonly conversations: Pick<ConversationStore, 'membershipsOf' | 'mute'>
  readonly clock: Clock
  readonly logger: Logger
  readonly peers: Peers
  /** Told that there may be something to push. */
  readonly changed: () => void
}

interface UnreadOptions {
  /** Most positions that are looked at in one go. */
  readonly countAtOnceMax: number
  /** Most users whose lists are counted at a time. */
  readonly listsMax: number
}

/** Pieces that are counted in one turn of the event loop, for all users together. */
const countsPerTurn = 2

export function makeUnread(
  parts: UnreadParts,
  { countAtOnceMax, listsMax }: UnreadOptions,
): Unread {
  const { engine, conversations, clock, peers, changed } = parts
  const ledgers = new Map<string, Ledger>()
  /** Users with something to be told. */
  const waiting = new Set<string>()
  const turns = makeTurns(countsPerTurn)
  let isClosed = false

  const assertOpen = () => {
    if (isClosed) throw new Refusal('store-unavailable', 'The server is stopping.')
  }
  // First come, first served, one piece after the other: a user with much unread keeps no other
  // waiting for longer than a piece.
  const takeTurn = async () => {
    await turns()
    assertOpen()
  }
  const count = makeCountEntries(parts.store, takeTurn, countAtOnceMax)
  const list = makeLists({ conversations, count, clock }, listsMax)

  const open = (guest: ConnectedUser) => {
    const { user, memberships } = guest
    const ledger = new Ledger({
      memberships,
      clock,
      count,
      countAtOnceMax,
      changed() {
        waiting.add(user)
        changed()
      },
      failed: (err) => parts.logger.debug({ err }, 'what is unread waits for the store'),
    })
    ledgers.set(user, ledger)
    guest.counter = ledger
  }

  const muted = (member: Member, until: number) => {
    if (member.mutedUntil === until) return
    member.mutedUntil = until
    ledgers.get(member.user)?.muted(member)
  }

  return {
    muted,
    listens({ user, subscriptions }) {
      const guest = engine.user(user)
      if (guest === undefined || guest.counter !== undefined) return
      if (subscriptions.hasUserLeaf('event')) open(guest)
    },
    gone(guest) {
      if (guest.counter === undefined) return
      guest.counter = undefined
      ledgers.get(guest.user)?.close()
      ledgers.delete(guest.user)
      waiting.delete(guest.user)
    },
    readMoved: (member) => ledgers.get(member.user)?.read(member),
    push() {
      const users = [...waiting]
      waiting.clear()
      for (const user of users) {
        for (const event of ledgers.get(user)?.takeEvents() ?? []) {
          engine.notify(user, 'event', event)
        }
      }
    },
    async list(user) {
      assertOpen()
      return list(user)
    },
    async mute({ user, conversation, until }) {
      const mutedUntil = until !== null && until > clock() ? until : 0
      if (!(await conversations.mute(conversation, user, mutedUntil)))
        throw new Refusal('not-found')
      peers.tell({ user }, { type: 'membership', user, conversation })
      const member = engine.user(user)?.memberships.get(conversation)
      if (member !== undefined) muted(member, mutedUntil)
    },
    close() {
      isClosed = true
    },
  }
}
