// The subscriptions of durable clients, by client and by filter. Those of aedes' own persistence
// know no empty levels, let wildcards match `$`, and take the filters of a SUBSCRIBE as many times
// as it has any.

import { LevelTree } from './level-tree.ts'

interface ClientRef {
  readonly id: string
}

/** A filter and what was granted; aedes adds options, which are kept. */
interface Request {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  /** Messages of the client itself do not match. */
  readonly nl?: boolean | undefined
}

/** One that matches a topic. */
export interface Subscriber extends Request {
  readonly clientId: string
}

export interface Subscriptions {
  addSubscriptions(client: ClientRef, requests: readonly Request[]): Promise<void>
  removeSubscriptions(client: ClientRef, topics: readonly string[]): Promise<void>
  subscriptionsByClient(client: ClientRef): Promise<readonly Request[]>
  /** Those that match a topic at QoS 1 and 2: at QoS 0 nothing waits. A client comes once for each
   * of its filters. */
  subscriptionsByTopic(topic: string): Promise<readonly Subscriber[]>
  cleanSubscriptions(client: ClientRef): Promise<void>
}

export function makeSubscriptions(): Subscriptions {
  const byClient = new Map<string, Map<string, Subscriber>>()
  const byFilter = new LevelTree<Map<string, Subscriber>>()
  let latest: readonly Request[] | undefined

  const unlist = (clientId: string, filter: string) => {
    const clients = byFilter.get(filter)
    if (clients?.delete(clientId) && clients.size === 0) byFilter.delete(filter)
  }

  const list = (subscriber: Subscriber) => {
    const { topic, clientId } = subscriber
    const clients = byFilter.get(topic) ?? new Map<string, Subscriber>()
    if (clients.size === 0) byFilter.set(topic, clients)
    clients.set(clientId, subscriber)
  }

  const remove = (clientId: string, filters: Iterable<string>) => {
    latest = undefined
    const held = byClient.get(clientId)
    for (const filter of [...filters]) {
      if (held?.delete(filter)) unlist(clientId, filter)
    }
    if (held?.size === 0) byClient.delete(clientId)
  }

  return {
    async addSubscriptions({ id }, requests) {
      // aedes calls for each filter of a SUBSCRIBE, with all of them.
      if (requests === latest && byClient.has(id)) return
      latest = requests
      const held = byClient.get(id) ?? new Map<string, Subscriber>()
      byClient.set(id, held)
      for (const request of requests) {
        const subscriber = { ...request, clientId: id }
        held.set(request.topic, subscriber)
        if (request.qos > 0) list(subscriber)
        else unlist(id, request.topic)
      }
    },
    removeSubscriptions: async ({ id }, topics) => remove(id, topics),
    subscriptionsByClient: async ({ id }) => [...(byClient.get(id)?.values() ?? [])],
    subscriptionsByTopic: async (topic) =>
      byFilter.ofFiltersFor(topic).flatMap((clients) => [...clients.values()]),
    cleanSubscriptions: async ({ id }) => remove(id, byClient.get(id)?.keys() ?? []),
  }
}
