// What the way to aedes needs of aedes' persistence, and the packets that come out of both.

import type { Readable } from 'node:stream'
import type { AedesPublishPacket } from 'aedes'
import type { KeptSubscription } from './client.ts'

/** A message on its way. aedes copies these fields from step to step. */
export interface Forwarded extends AedesPublishPacket {
  /** Who published it. */
  clientId?: string
  /** aedes' own No Local. */
  nl?: boolean
}

interface ClientRef {
  readonly id: string
}

/** What is asked of aedes' persistence beside what aedes asks itself. */
export interface PlainPersistence {
  /** The subscriptions of a durable client. */
  subscriptionsByClient(client: ClientRef): Promise<readonly KeptSubscription[]>
  addSubscriptions(client: ClientRef, subscriptions: readonly KeptSubscription[]): Promise<void>
  removeSubscriptions(client: ClientRef, topics: readonly string[]): Promise<void>
  /** A durable client is about to ask for its queue. */
  expect(clientId: string): void
  /** Whether the queue of a client is being sent: what is new joins it. Of a packet, also whether
   * it was sent with the queue already. */
  isDraining(clientId: string, packet?: Forwarded): boolean
  /** Packet ids of what was sent to a client and is not answered. */
  unanswered(clientId: string): readonly number[]
  /** Keeps a message that is being sent with its packet id, until it is answered. */
  keepSent(client: ClientRef, packet: AedesPublishPacket): void
  /** Done when it returns. */
  storeRetained(packet: AedesPublishPacket): Promise<void>
  createRetainedStreamCombi(filters: readonly string[]): Readable
  outgoingStream(client: ClientRef): Readable
  outgoingUpdate(client: ClientRef, packet: Forwarded): Promise<void>
  /** Rejects if the packet is not known. */
  incomingGetPacket(client: ClientRef, packet: { readonly messageId: number }): Promise<unknown>
  /** Forgets everything of a client that is not connected. */
  forget(clientId: string): Promise<void>
  /** There if several brokers have the persistence in common. */
  readonly shared?: SharedPersistence
}

/** A will on its way. */
export interface PlainWill {
  readonly cmd: 'publish'
  dup: boolean
  clientId?: string
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

/** What a broker asks when others may have had its clients before. */
export interface SharedPersistence {
  /** A durable client is here, and nowhere else any more: loads what is kept of it. The packet id
   * to go on with, 0 if that is not known; undefined if nothing is kept. */
  arrived(clientId: string): Promise<number | undefined>
  /** It has gone. */
  departed(clientId: string, nextId: number): Promise<void>
  /** Whether something is kept of a client, connected or away. */
  isKept(clientId: string): Promise<boolean>
  /** A client is back: the wills of its earlier connections are not published. */
  dropWills(clientId: string): Promise<void>
  /** Keeps a will until its delay is over, in case that this broker is not there then. */
  keepDelayed(clientId: string, will: PlainWill, dueAt: number): Promise<void>
  dropDelayed(clientId: string): Promise<void>
  /** Messages may have been lost on their way. Loads anew what others may have changed; returns the
   * clients here for which something waits. */
  catchUp(): Promise<readonly string[]>
  /** Calls when it can be asked again. */
  onBack(call: () => void): void
  close(): void
}

/** What brokers tell each other. */
export interface PlainBus {
  /** Tells the other brokers, if that can be done now. */
  tell(packet: Forwarded): void
  /** What matches the filter is heard from now on. */
  listen(filter: string): Promise<void>
  unlisten(filter: string): void
  /** `take` gets what other brokers tell; `missed` is called when some of it may be lost. */
  hear(take: (packet: PlainMessage) => void, missed: () => void): void
  close(): Promise<void>
}

interface PlainMessage {
  readonly topic: string
  readonly payload: Uint8Array | string
}
