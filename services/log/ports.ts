// What the log needs of a store.

import type { Entry, NewEntry } from '../../protocol/entry.ts'

/** Which packet of a durable device brought a message, at QoS 2. From its PUBLISH to its PUBREL the
 * packet id stands for one message, over reconnects and restarts [MQTT-4.3.3-2]. */
export interface DevicePacket {
  readonly device: string
  /** 1 … 65,535. */
  readonly packetId: number
  /** Whether the device says that it sent it before (DUP). */
  readonly isRepeat: boolean
  /** A hash of topic and payload, 32 bits with a sign. */
  readonly fingerprint: number
}

/** A message to store; `packet` only for those of QoS 2 from durable devices. */
export interface NewMessage extends NewEntry {
  readonly packet?: DevicePacket | undefined
  /** It may have been stored before, by another process: its sender says so, or has just come. */
  readonly mayBeStored?: boolean | undefined
}

/** A packet id that its device has released: it is free for another message. */
export interface ReleasedPacket {
  readonly user: string
  readonly device: string
  readonly packetId: number
}

/** What became of an entry: stored now, or found to be stored already under the same (conversation,
 * from, message id), or from the same packet. `seq` and `at` are those of the stored entry. */
export interface AppendOutcome {
  readonly kind: 'appended' | 'duplicate'
  readonly seq: number
  readonly at: number
}

/** What became of a publish. `failed`: nothing was acknowledged and the sender must send again. */
export type AppendResult = AppendOutcome | { readonly kind: 'failed' }

/** Which part of a conversation to read: entries with `after < seq < before`, oldest first, or
 * newest first when `newestFirst`. */
export interface ReadRange {
  readonly after?: number
  readonly before?: number
  readonly newestFirst?: boolean
  /** Most entries to return, 1 or more. */
  readonly limit: number
  /** Stop before the entry that would bring the sum of `fields` above this; at least one entry is
   * returned if there is any. */
  readonly bytesMax?: number
  /** A position that the log is known to reach, of which the caller needs nothing above: what is
   * above may be missing from the answer. A cache can answer then; a store need not look at it. */
  readonly head?: number
}

export interface LogStore {
  /** In one process: stores the entries in their order, all or none, at the next positions of
   * their conversations, and resolves when they are durable. Idempotent by (conversation, from,
   * messageId), also within the batch. `at` is the time given to new entries. Rejects with
   * `StoreFailure` when the store cannot commit now; then nothing was stored. Conversations must
   * exist.
   *
   * A message that came with a `packet` takes the packet id in the same transaction, until
   * `releasePackets` or until the device is forgotten; meanwhile a repeat is a duplicate. A repeat
   * is told by DUP or by its content, because there are clients that send again without DUP
   * (MQTT.js 5), and clients that lost their state and begin again with ids they never released:
   * theirs is a new message, and takes the id over. With a device that is not stored there is
   * nothing to take.
   *
   * In a cluster (`positions/`) the promise is for each entry and not for the batch: those of one
   * conversation are stored in their order, up to one that failed. Between entries there may be
   * voids. */
  append(batch: readonly NewMessage[], at: number): Promise<readonly AppendOutcome[]>
  /** Frees packet ids, and resolves when that is durable. Those that are not taken are passed
   * over. */
  releasePackets(packets: readonly ReleasedPacket[]): Promise<void>
  /** The packet ids a device has taken and not released. */
  unreleasedPackets(user: string, device: string): Promise<readonly number[]>
  /** Entries of one conversation in order of `seq`; see `ReadRange`. */
  read(conversation: string, range: ReadRange): Promise<readonly Entry[]>
  /** The position of the newest entry of each conversation, in their order; 0 where there is none,
   * or no such conversation. */
  heads(conversations: readonly string[]): Promise<readonly number[]>
}
