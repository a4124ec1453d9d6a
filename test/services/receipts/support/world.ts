// Receipts over an engine, the stores in Maps and fake links.

import { countsAsUnread } from '../../../../protocol/kinds.ts'
import { makeEngine } from '../../../../services/delivery/engine.ts'
import type { Member } from '../../../../services/delivery/room.ts'
import type { ReceiptStore } from '../../../../services/receipts/ports.ts'
import { makeReceipts, type Receipts } from '../../../../services/receipts/receipts.ts'
import { makeQuietLogger, never } from '../../delivery/support/devices.ts'
import { type FakeLink, makeLink } from '../../delivery/support/fake-link.ts'
import { makeMemory, portsOf } from '../../delivery/support/memory-ports.ts'
import { makeMemoryStore } from '../../support/memory-store.ts'

interface WorldOptions {
  readonly receiptIntervalMs?: number
  readonly receiptMembersMax?: number
  readonly receiptFlushMs?: number
  readonly countAtOnceMax?: number
  readonly listsMax?: number
  /** Stands between the receipts and their store. */
  readonly wrap?: (store: ReceiptStore) => ReceiptStore
}

export type World = ReturnType<typeof makeWorld>

export function makeWorld(
  t: { teardown(work: () => Promise<void>): void },
  { wrap = (store) => store, ...options }: WorldOptions = {},
) {
  const store = makeMemoryStore()
  const logger = makeQuietLogger()
  const clock = Date.now
  const engine = makeEngine(
    {
      devices: portsOf(makeMemory()).devices,
      conversations: store,
      log: store,
      logger,
      clock,
      watch: {
        acknowledged: (position) => receipts.watch.acknowledged(position),
        started: (session) => receipts.watch.started(session),
        subscribed: (session) => receipts.watch.subscribed(session),
        reread: (member, membership) => receipts.watch.reread(member, membership),
        gone: (user) => receipts.watch.gone(user),
      },
    },
    {
      windowEntriesMax: 16,
      windowBytesMax: 100_000,
      cursorFlushMs: never,
      sessionExpirySeconds: 1000,
      devicesPerUserMax: 100,
    },
  )
  const receipts: Receipts = makeReceipts(
    {
      engine,
      store: wrap(store.receipts),
      conversations: store,
      attempt: (work) => work(),
      clock,
      logger,
    },
    { receiptIntervalMs: 1, receiptMembersMax: 32, receiptFlushMs: never, ...options },
  )
  t.teardown(async () => {
    await engine.close()
    await receipts.close()
  })

  const append = async (conversation: string, from: string, kind = 'text') => {
    const body = { kind, messageId: undefined, fields: '' }
    const [outcome] = await store.append([{ conversation, from, body }], clock())
    if (outcome === undefined) throw new Error('nothing was stored')
    return { conversation, from, body, seq: outcome.seq, at: outcome.at }
  }
  return {
    store,
    engine,
    receipts,
    append,
    /** Stores an entry and announces it. */
    async publish(conversation: string, from: string, kind?: string) {
      engine.announce(await append(conversation, from, kind))
    },
    /** Connects `user/device` with a clean session that listens to everything. */
    async connect(name: string, filters?: readonly string[], qos: 0 | 1 = 1): Promise<FakeLink> {
      const [user = '', device = ''] = name.split('/')
      const link = makeLink()
      const { session } = await engine.attach({ user, device, durable: false, link })
      link.session = session
      session.start()
      const requests = (filters ?? [`u/${user}/#`, 'g/+/#']).map((filter) => ({ filter, qos }))
      await engine.subscribe(session, requests)
      return link
    },
    async disconnect({ session }: FakeLink) {
      if (session) await engine.detach(session)
    },
    member(user: string, conversation: string): Member {
      const member = engine.user(user)?.memberships.get(conversation)
      if (member === undefined) throw new Error(`${user} is not in ${conversation}`)
      return member
    },
    async change(kind: 'joined' | 'left', group: string, user: string) {
      const outcome = await (kind === 'joined'
        ? store.addMember(group, user)
        : store.removeMember(group, user))
      if (outcome !== 'added' && outcome !== 'removed') return
      const change = { kind, conversation: `g:${group}`, user }
      await engine.membershipChanged(change)
      const [someone] = engine.room(change.conversation)?.members ?? []
      if (someone !== undefined) await engine.recheck(change.conversation, someone.user)
    },
    /** What is unread for a user, by counting everything. */
    async truth(user: string) {
      const unread = new Map<string, number>()
      let badge = 0
      for (const membership of await store.membershipsOf(user)) {
        const base = Math.max(membership.read, membership.joinedSeq)
        const { id } = membership.conversation
        const entries = await store.read(id, { limit: 1_000_000 })
        const count = entries.filter(
          ({ seq, from, body }) => seq > base && from !== user && countsAsUnread(body.kind),
        ).length
        unread.set(id, count)
        if (membership.mutedUntil <= clock()) badge += count
      }
      return { unread, badge }
    },
  }
}

/** The payloads a link was told under a leaf. */
export function told(link: FakeLink, leaf: string): Record<string, unknown>[] {
  return link.notices.filter(({ topic }) => topic.endsWith(`/${leaf}`)).map((it) => it.message)
}
