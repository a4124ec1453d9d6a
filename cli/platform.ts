// What a server stands on: either one process with SQLite, or a member of a cluster on MongoDB and
// Redis. The same ports, so that nothing above knows which.

import type { PlainBus, PlainPersistence } from '../broker/plain/ports.ts'
import type { Settings } from '../config/schema.ts'
import type { Logger } from '../protocol/logger.ts'
import type { SigningKey, UserStore } from '../services/auth/ports.ts'
import type { Peers } from '../services/bus/peers.ts'
import type { ConversationStore } from '../services/conversations/ports.ts'
import type { Directory } from '../services/delivery/directory.ts'
import type { DeviceStore } from '../services/delivery/ports.ts'
import type { JobQueue } from '../services/jobs/ports.ts'
import type { LogParts as AnyLogParts, Log, LogOptions } from '../services/log/log.ts'
import type { LogStore } from '../services/log/ports.ts'
import type { ReceiptStore } from '../services/receipts/ports.ts'

/** The ports of a store. */
interface Store {
  readonly log: LogStore
  readonly conversations: ConversationStore
  readonly devices: DeviceStore
  readonly users: UserStore
  readonly receipts: ReceiptStore
  /** Proves that an append can be committed now; rejects with `StoreFailure` when it cannot. */
  check(): Promise<void>
  /** Resolves with the reason if the store breaks for good: the process must end. */
  readonly broken: Promise<Error>
}

/** What a log is told besides its store. */
type LogParts = Omit<AnyLogParts, 'store'>

export interface Platform {
  readonly store: Store
  /** Makes the log over the store. */
  makeLog(parts: LogParts, options: LogOptions): Log
  /** What must happen later. */
  readonly jobs: JobQueue
  /** The other brokers, and where devices are connected; absent if there is only this one. */
  readonly peers?: Peers
  readonly directory?: Directory
  /** What aedes keeps between connections. */
  readonly plainPersistence: PlainPersistence
  /** What brokers tell each other of plain topics. */
  readonly plainBus?: PlainBus
  /** The keys that tokens are signed with; made when there are none. */
  loadKeys(): Promise<readonly SigningKey[]>
  /** The administrator's token where the settings have none; made when there is none. */
  loadAdminToken(): Promise<string>
  /** What is away that can be done without; nothing, as a rule. */
  degraded(): readonly string[]
  /** Waits for what was asked for, and frees everything. */
  close(): Promise<void>
}

export interface PlatformParts {
  readonly logger: Logger
  /** Told of every write that fails in a way that may pass. */
  readonly storeFailed: (reason: string) => void
}

/** How much of plain topics is kept. */
export function plainLimitsOf(settings: Settings) {
  return {
    messagesMax: settings.plainQueueMax,
    bytesMax: settings.plainQueueBytesMax,
    bytesInAllMax: settings.plainQueuesBytesMax,
    retainedMax: settings.plainRetainedMax,
    retainedBytesMax: settings.plainRetainedBytesMax,
  }
}
