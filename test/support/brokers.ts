// Brokers without their edges: the engine, receipts and conversations of several processes in one,
// over one SQLite store and a real Redis, as a cluster connects them.

import { randomBytes } from 'node:crypto'
import { makeRedisBus } from '../../plugins/bus-redis/bus.ts'
import { makeRedisClaims } from '../../plugins/claims-redis/claims.ts'
import { connectRedis } from '../../plugins/redis/connect.ts'
import { openSqliteStore } from '../../plugins/store-sqlite/store.ts'
import { systemClock } from '../../protocol/clock.ts'
import type { Entry } from '../../protocol/entry.ts'
import type { Logger } from '../../protocol/logger.ts'
import { makePeers } from '../../services/bus/peers.ts'
import { makeConversations } from '../../services/conversations/conversations.ts'
import { makeDirectory } from '../../services/delivery/directory.ts'
import { makeEngine } from '../../services/delivery/engine.ts'
import { makeMembershipNews } from '../../services/delivery/membership-news.ts'
import type { Receipts } from '../../services/receipts/receipts.ts'
import { makeReceipts } from '../../services/receipts/receipts.ts'
import type { FakeLink } from '../services/delivery/support/fake-link.ts'
import { makeLink } from '../services/delivery/support/fake-link.ts'
import type { Owner } from './engine-process.ts'
import { temporaryFolder } from './server.ts'
import { until } from './until.ts'

export type TestStore = Awaited<ReturnType<typeof openSqliteStore>>
export type TestBroker = Awaited<ReturnType<typeof startBroker>>

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} }
const never = 1_000_000_000
const options = {
  windowEntriesMax: 64,
  windowBytesMax: 100_000,
  cursorFlushMs: never,
  sessionExpirySeconds: 100_000,
  devicesPerUserMax: 100,
  receiptIntervalMs: 10,
  receiptMembersMax: 32,
}

/** A store with these users. */
export async function openStore(t: Owner, ...users: readonly string[]): Promise<TestStore> {
  const store = await openSqliteStore({ folder: temporaryFolder(t), clock: systemClock })
  t.teardown(() => store.close())
  for (const user of users) await store.users.createUser(user, undefined)
  return store
}

/** Starts a broker; it hears the others when this resolves, if Redis is there. */
export async function startBroker(t: Owner, store: TestStore, url: string) {
  const broker = randomBytes(9).toString('base64url')
  const connect = (use: 'commands' | 'bus') =>
    connectRedis(url, { use, name: 'test', logger: quiet })
  const [commands, subscriptions] = [connect('commands'), connect('bus')]
  const bus = makeRedisBus([{ commands, subscriptions }], quiet)
  const peers = makePeers(bus)
  const claims = makeRedisClaims({ redis: commands, broker })
  const directory = makeDirectory({ peers, claims, clock: systemClock, broker })
  const attempt = <Result>(work: () => Promise<Result>) => work()
  const shared = { conversations: store.conversations, logger: quiet, clock: systemClock, peers }
  const engine = makeEngine(
    {
      ...shared,
      devices: store.devices,
      log: store.log,
      directory,
      watch: {
        acknowledged: (position) => receipts.watch.acknowledged(position),
        started: (session) => receipts.watch.started(session),
        subscribed: (session) => receipts.watch.subscribed(session),
        reread: (member, membership) => receipts.watch.reread(member, membership),
        gone: (user) => receipts.watch.gone(user),
      },
    },
    options,
  )
  const receipts: Receipts = makeReceipts(
    { ...shared, engine, store: store.receipts, attempt },
    options,
  )
  const news = makeMembershipNews({ engine, attempt, logger: quiet, peers })
  const conversations = makeConversations({
    store: store.conversations,
    ...news,
    random: randomBytes,
  })
  const stop = async () => {
    await engine.close()
    await receipts.close()
    directory.close()
    await claims.close()
    await bus.close()
    commands.disconnect()
    subscriptions.disconnect()
  }
  t.teardown(stop)
  await until('the bus is up', bus.isUp)

  /** Stores a message, and announces it if that is wanted. */
  const publish = async (conversation: string, from: string, announce = engine.announce) => {
    const body = { kind: 'text', messageId: undefined, fields: '"text":"hello"' }
    const [outcome] = await store.log.append([{ conversation, from, body }], systemClock())
    if (outcome?.kind !== 'appended') throw new Error('nothing was stored')
    const entry: Entry = { conversation, from, body, seq: outcome.seq, at: outcome.at }
    announce(entry)
    return entry
  }
  return { engine, receipts, conversations, bus, directory, publish, connect: connectTo(engine) }
}

/** Connects `user/device`, durable unless said otherwise, and subscribes to everything. */
function connectTo(engine: ReturnType<typeof makeEngine>) {
  return async (name: string, durable = true): Promise<FakeLink> => {
    const [user = '', device = ''] = name.split('/')
    const link = makeLink()
    const { session } = await engine.attach({ user, device, durable, link })
    link.session = session
    session.start()
    const requests = [`u/${user}/#`, 'g/+/#'].map((filter) => ({ filter, qos: 1 }) as const)
    await engine.subscribe(session, requests)
    return link
  }
}

/** Waits until the link was notified so. */
export async function noticed(
  { notices }: FakeLink,
  leaf: string,
  isIt: (message: Record<string, unknown>) => boolean,
): Promise<void> {
  await until(`${leaf} is told`, () =>
    notices.some(({ topic, message }) => topic.endsWith(`/${leaf}`) && isIt(message)),
  )
}

/** Waits until exactly these positions were delivered. */
export async function delivered(link: FakeLink, ...seqs: readonly number[]): Promise<void> {
  await until(`${seqs} were delivered, not ${link.seqs()}`, () => link.seqs().length >= seqs.length)
  if (link.seqs().join() !== seqs.join()) throw new Error(`delivered ${link.seqs()}, not ${seqs}`)
}
