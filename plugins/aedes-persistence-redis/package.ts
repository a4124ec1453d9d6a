// aedes-persistence-redis has no types of its own: here are those of the parts that are used.

import type { Readable } from 'node:stream'
import makePersistence from 'aedes-persistence-redis'
import type { Redis } from 'ioredis'

interface ClientRef {
  readonly id: string
}

interface Request {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly nl?: boolean | undefined
}

interface RetainedPacket {
  readonly topic: string
  readonly payload: Uint8Array | string
  readonly messageExpiry?: number
}

/** What it needs of aedes. */
export interface BrokerFacade {
  readonly id: string
  publish(packet: object, done: (err?: Error | null) => void): void
  subscribe(
    topic: string,
    hear: (packet: object, done: () => void) => void,
    done: (err?: Error | null) => void,
  ): void
}

export interface RedisPersistence {
  /** Loads all subscriptions. */
  setup(broker: BrokerFacade): Promise<void>
  addSubscriptions(client: ClientRef, requests: readonly Request[]): Promise<void>
  removeSubscriptions(client: ClientRef, topics: readonly string[]): Promise<void>
  subscriptionsByClient(client: ClientRef): Promise<readonly Request[]>
  subscriptionsByTopic(topic: string): Promise<readonly (Request & { clientId: string })[]>
  storeRetained(packet: RetainedPacket): Promise<void>
  createRetainedStreamCombi(filters: string[]): Readable
}

/** Makes it over a connection. */
export const makePackage = makePersistence as unknown as (options: {
  readonly conn: Redis
}) => RedisPersistence
