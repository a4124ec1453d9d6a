// The subscriptions of durable clients, by aedes-persistence-redis: in Redis, and those of the
// whole cluster in memory. It loads them once, and waits for ever for what Pub/Sub has lost; here
// they are loaded anew whenever something may have been missed.

import type { BrokerFacade, RedisPersistence } from './package.ts'
import type { Subscriber } from './queues.ts'

interface ClientRef {
  readonly id: string
}

interface Request {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly nl?: boolean | undefined
}

type Hear = (packet: object, done: () => void) => void

/** The persistence with one set of subscriptions. */
interface Generation {
  readonly persistence: RedisPersistence
  /** Takes in a change. */
  hear: Hear | undefined
}

export interface Subscriptions {
  /** Begins to hear of changes; what is there comes with `reload`. */
  setup(aedes: BrokerFacade): Promise<void>
  /** Loads all subscriptions, in place of those that are known; rejects if Redis cannot say. */
  reload(): Promise<void>
  addSubscriptions(client: ClientRef, requests: readonly Request[]): Promise<void>
  removeSubscriptions(client: ClientRef, topics: readonly string[]): Promise<void>
  subscriptionsByClient(client: ClientRef): Promise<readonly Request[]>
  /** Those that match a topic at QoS 1 and 2. A client comes once for each of its filters. */
  subscriptionsByTopic(topic: string): Promise<readonly Subscriber[]>
}

const changes = '$SYS/sub/+'

export function makeSubscriptions(make: () => RedisPersistence): Subscriptions {
  let aedes: BrokerFacade | undefined
  let current: Generation | undefined
  /** Whose changes may still be under way. */
  let previous: Generation | undefined
  let loading: Promise<void> | undefined
  let latest: { readonly requests: unknown; readonly done: Promise<void> } | undefined

  const load = async (broker: BrokerFacade): Promise<void> => {
    const missed: object[] = []
    const next: Generation = { persistence: make(), hear: undefined }
    // Changes that come while it loads count after what was loaded.
    const before = { persistence: next.persistence, hear: (it: object) => void missed.push(it) }
    loadingHear = before.hear
    try {
      await next.persistence.setup({
        id: broker.id,
        publish: (packet, done) => broker.publish(packet, done),
        subscribe(_topic, hear, done) {
          next.hear = hear
          done()
        },
      })
    } finally {
      loadingHear = undefined
    }
    for (const packet of missed) next.hear?.(packet, ignore)
    previous = current
    current = next
  }
  let loadingHear: ((packet: object) => void) | undefined

  const generation = (): Generation => {
    if (current === undefined) throw new Error('the subscriptions are not loaded yet')
    return current
  }

  return {
    setup(broker) {
      aedes = broker
      const hear: Hear = (packet, done) => {
        loadingHear?.(packet)
        previous?.hear?.(packet, ignore)
        current?.hear?.(packet, ignore)
        done()
      }
      return new Promise((resolve) => broker.subscribe(changes, hear, () => resolve()))
    },
    async reload() {
      if (aedes === undefined) return
      loading ??= load(aedes).finally(() => {
        loading = undefined
      })
      await loading
    },
    async addSubscriptions(client, requests) {
      // aedes calls for each filter of a SUBSCRIBE, with all of them.
      if (latest?.requests === requests) return latest.done
      if (requests.length === 0) return
      const done = generation().persistence.addSubscriptions(client, requests)
      latest = { requests, done }
      await done
    },
    async removeSubscriptions(client, topics) {
      latest = undefined
      if (topics.length > 0) await generation().persistence.removeSubscriptions(client, topics)
    },
    subscriptionsByClient: async (client) => generation().persistence.subscriptionsByClient(client),
    async subscriptionsByTopic(topic) {
      const found = (await current?.persistence.subscriptionsByTopic(topic)) ?? []
      // What was loaded holds those of QoS 0, too.
      return found.filter(({ qos }) => qos > 0)
    },
  }
}

function ignore(): void {}
