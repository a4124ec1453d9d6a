// Receipts and unread counts, put together: what the engine tells goes to the watermarks and the
// ledgers, and what they have to say goes out at one pace.

import type { Clock } from '../../protocol/clock.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { Peers } from '../bus/peers.ts'
import { noPeers } from '../bus/peers.ts'
import type { ConversationStore } from '../conversations/ports.ts'
import type { Engine, Watch } from '../delivery/engine.ts'
import type { ReceiptStore } from './ports.ts'
import { makeReports, type Reports } from './report.ts'
import { makeTick } from './tick.ts'
import { makeTyping, type Typing } from './typing.ts'
import { makeUnread, type Unread } from './unread.ts'
import { makeWatermarks, type Watermarks } from './watermarks.ts'

export interface Receipts
  extends Pick<Reports, 'report'>,
    Pick<Unread, 'list' | 'mute'>,
    Pick<Watermarks, 'read'> {
  /** What the engine tells; to be given to it when it is made. */
  readonly watch: Watch
  readonly typing: Typing
  /** A user hides what was read, or does not any more. */
  hides(user: string, hidesReads: boolean): void
  /** Writes what devices have acknowledged until now. */
  settle(): Promise<void>
  /** Writes what is left; nothing is announced any more. */
  close(): Promise<void>
}

interface ReceiptsParts {
  readonly engine: Engine
  readonly store: ReceiptStore
  readonly conversations: ConversationStore
  /** Does store work, waiting while the store fails as a message does. */
  readonly attempt: <Result>(work: () => Promise<Result>) => Promise<Result>
  readonly clock: Clock
  readonly logger: Logger
  /** The other brokers; absent if there are none. */
  readonly peers?: Peers
}

interface ReceiptsOptions {
  /** Shortest time between two announcements of one member in one conversation, ms. */
  readonly receiptIntervalMs: number
  /** Most members of a conversation in which receipts and typing are announced. */
  readonly receiptMembersMax: number
  /** How often `delivered` is written, ms. After a crash what was not is known again with the next
   * acknowledgement or read mark. */
  readonly receiptFlushMs?: number
  /** Most positions that are looked at in one go when what is unread is counted. */
  readonly countAtOnceMax?: number
  /** Most users whose lists of what is unread are counted at a time. */
  readonly listsMax?: number
}

const flushMsDefault = 5000
/** Counted in well under a millisecond if the entries are short, in a few if they are long. */
const countAtOnceMaxDefault = 2000
const listsMaxDefault = 1000

export function makeReceipts(parts: ReceiptsParts, options: ReceiptsOptions): Receipts {
  const { engine, peers = noPeers } = parts
  const { receiptMembersMax: membersMax, countAtOnceMax = countAtOnceMaxDefault } = options
  const { receiptFlushMs: flushMs = flushMsDefault, listsMax = listsMaxDefault } = options
  const tick = makeTick(() => {
    watermarks.announce()
    unread.push()
  }, options.receiptIntervalMs)
  const unread = makeUnread({ ...parts, peers, changed: tick.ask }, { countAtOnceMax, listsMax })
  const watermarks = makeWatermarks(
    { ...parts, peers, moved: tick.ask, readMoved: unread.readMoved },
    { membersMax, flushMs },
  )
  peers.on('settings', ({ user }) => {
    parts
      .attempt(() => engine.recheckUser(user))
      .catch((err: unknown) => parts.logger.warn({ err }, 'settings are followed on reconnecting'))
  })
  const reports = makeReports({ ...parts, watermarks }, { membersMax })

  return {
    watch: {
      acknowledged: watermarks.acknowledged,
      started(session) {
        unread.listens(session)
        reports.catchUp(session)
      },
      subscribed: unread.listens,
      reread(member, { read, mutedUntil, hidesReads }) {
        member.hidesReads = hidesReads
        watermarks.raiseRead(member, read)
        unread.muted(member, mutedUntil)
      },
      async gone(user) {
        unread.gone(user)
        await watermarks.settle(user.memberships.values())
      },
    },
    typing: makeTyping({ ...parts, peers }, { membersMax }),
    read: watermarks.read,
    report: reports.report,
    list: unread.list,
    mute: unread.mute,
    hides(user, hidesReads) {
      for (const member of engine.user(user)?.memberships.values() ?? []) {
        member.hidesReads = hidesReads
      }
      peers.tell({ user }, { type: 'settings', user })
    },
    settle: watermarks.settleAll,
    async close() {
      tick.close()
      unread.close()
      await watermarks.close()
    },
  }
}
