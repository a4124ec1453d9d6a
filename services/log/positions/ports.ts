// What write-once positions need: somebody who hands out positions, and a store in which a position
// is written once.

import type { Entry } from '../../../protocol/entry.ts'
import type { DevicePacket, LogStore } from '../ports.ts'

/** Positions of one conversation, taken by who reserved them. */
export interface Reservation {
  readonly first: number
  /** The life of the counter they come from. One that forgets begins another life. */
  readonly epoch: string
}

/** Hands out positions. May forget everything at any moment, and then hand out some again: who
 * writes there finds out. Rejects with `StoreFailure` when it cannot be asked. */
export interface Sequencer {
  /** Takes `count` positions, from `first` on. */
  reserve(conversation: string, count: number): Promise<Reservation>
  /** What is reserved from now on is above `head`. */
  raise(conversation: string, head: number): Promise<void>
}

/** An entry at a position, on its way into the store. */
export interface PlacedEntry extends Entry {
  /** Stands for this message, whatever it is tried at; unique for ever. */
  readonly token: string
  /** Stored at most once for each (conversation, from, client id); undefined: known by its token
   * only. */
  readonly clientId: string | undefined
}

/** What stands in the store. */
export interface StoredPlace {
  readonly seq: number
  readonly at: number
  readonly from: string
  readonly token: string
  readonly clientId: string | undefined
}

/** What became of entries that were to be inserted. `conflict`: those before `index` are stored,
 * the one at `index` is not, because of what stands `there`: at its position, or elsewhere as the
 * same message. Nothing was tried of those after it. */
export type Inserted =
  | { readonly kind: 'stored' }
  | { readonly kind: 'conflict'; readonly index: number; readonly there: StoredPlace }

/** A message as (from, client id). */
interface MessageName {
  readonly from: string
  readonly clientId: string
}

/** A packet of QoS 2 that asks to be taken note of; see `LogStore.append`. */
export interface PacketClaim extends DevicePacket {
  readonly user: string
  /** The token of its message, if it is a new one. */
  readonly token: string
}

/** Everything rejects with `StoreFailure` when it cannot be known whether it was done. All reads
 * see what was stored before they were asked for (majority). */
export interface PositionStore
  extends Pick<LogStore, 'heads' | 'releasePackets' | 'unreleasedPackets'> {
  /** Inserts entries of one conversation, which have ascending positions, in their order, stopping
   * at the first that cannot be. What is stored is durable. Doing it again is harmless. Calls of
   * one turn are carried out together. */
  insert(entries: readonly PlacedEntry[]): Promise<Inserted>
  /** Puts a void at each of these positions at which nothing stands. */
  fill(conversation: string, seqs: readonly number[], at: number): Promise<void>
  /** Those of the messages that are stored, by their place in `names`. */
  find(
    conversation: string,
    names: readonly MessageName[],
  ): Promise<readonly (StoredPlace | undefined)[]>
  /** The newest position; 0 when there is none. */
  head(conversation: string): Promise<number>
  /** As `LogStore.read`, with holes. */
  read: LogStore['read']
  /** Takes note of packets, and gives the token of the message each of them stands for: the one
   * given, or, of a repeat, that of the packet it repeats. Undefined for devices that are not
   * stored. */
  claim(claims: readonly PacketClaim[]): Promise<readonly (string | undefined)[]>
}
