// The store of a cluster: every port of the services on one MongoDB, but the log, which is made of
// `db` (messages.ts, packets.ts) and a sequencer. Any number of processes have it open.

import type { CommandStartedEvent, Db } from 'mongodb'
import type { Clock } from '../../protocol/clock.ts'
import { StoreFailure } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { UserStore } from '../../services/auth/ports.ts'
import type { ConversationStore } from '../../services/conversations/ports.ts'
import type { DeviceStore } from '../../services/delivery/ports.ts'
import type { ReceiptStore } from '../../services/receipts/ports.ts'
import { collectionsOf } from './collections.ts'
import type { MongoConnection } from './connect.ts'
import { connectMongo } from './connect.ts'
import { makeConversations } from './conversations.ts'
import { makeDevices } from './devices.ts'
import { withFailures } from './failures.ts'
import { prepare } from './init.ts'
import type { StoredKeys } from './keys.ts'
import { makeStoredKeys } from './keys.ts'
import { makeMessages } from './messages.ts'
import { makeReceipts } from './receipts.ts'
import { makeUsers } from './users.ts'

export interface MongoStoreOptions {
  /** See `ConnectOptions`. Secret. */
  readonly url: string
  readonly logger: Logger
  readonly clock: Clock
  /** Told of everything that fails in a way that may pass. */
  readonly failed?: (reason: string) => void
  /** Told of every command that is sent; for tests. */
  readonly commandStarted?: (event: CommandStartedEvent) => void
}

/** The ports. After `close` every call rejects. */
export interface MongoStore extends StoredKeys {
  readonly conversations: ConversationStore
  readonly devices: DeviceStore
  readonly users: UserStore
  readonly receipts: ReceiptStore
  /** For the log. */
  readonly db: Db
  /** Proves that the store can commit now, by committing; rejects with `StoreFailure` when it
   * cannot. */
  check(): Promise<void>
  /** Never resolves: the driver connects again by itself. */
  readonly broken: Promise<Error>
  /** Idempotent. */
  close(): Promise<void>
}

/** Opens the store, and makes it ready (`prepare`). Rejects as that and `connectMongo` do. */
export async function openMongoStore(options: MongoStoreOptions): Promise<MongoStore> {
  const { url, logger, commandStarted } = options
  const connection = await connectMongo({ url, logger, commandStarted })
  try {
    await prepare(connection)
    return makeStore(connection, options)
  } catch (error) {
    await connection.close()
    throw error
  }
}

function makeStore(
  { db, transact, close }: MongoConnection,
  { clock, failed = ignore }: MongoStoreOptions,
): MongoStore {
  const collections = collectionsOf(db)
  const parts = { collections, transact, clock }
  const readHeads = makeMessages(db).heads
  const { probe } = collections
  const count = () => probe.updateOne({ _id: 'probe' }, { $inc: { probes: 1 } }, { upsert: true })
  return {
    conversations: reporting(makeConversations({ ...parts, readHeads }), failed),
    devices: reporting(makeDevices(parts), failed),
    users: reporting(makeUsers(parts), failed),
    receipts: reporting(makeReceipts(parts), failed),
    ...makeStoredKeys(collections.keys),
    db,
    check: () => withFailures(async () => void (await count())),
    broken: new Promise<Error>(ignore),
    close,
  }
}

/** The port, telling of each of its failures. */
function reporting<Port extends object>(port: Port, failed: (reason: string) => void): Port {
  const report = (error: unknown) => {
    if (error instanceof StoreFailure) failed(error.message)
    throw error
  }
  const methods = Object.entries(port).map(([name, method]) => {
    const call = method as (...args: unknown[]) => Promise<unknown>
    return [name, (...args: unknown[]) => call(...args).catch(report)] as const
  })
  return Object.fromEntries(methods) as Port
}

function ignore(): void {}
