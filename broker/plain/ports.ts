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
  /** Whether the queue of a client is being sent: what is new joins it. */
  isDraining(clientId: string): boolean
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
}
