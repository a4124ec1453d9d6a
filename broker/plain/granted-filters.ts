// The filters of plain topics a client of aedes has, with what each was granted. aedes is told
// QoS 2 for all of them, because it lets one that equals a topic lower the others.

import { covers, filterBytes, isShallow } from '../../protocol/filters.ts'
import { filtersBytesMax } from '../../protocol/limits.ts'
import type { SubscriptionOptions } from '../../services/delivery/ports.ts'

type Qos = 0 | 1 | 2

/** What the filters that match a message ask for, beside its QoS. */
export interface Wishes {
  /** The client published it, and wants none of its own. */
  readonly isUnwanted: boolean
  /** RETAIN stays as it was published. */
  readonly retainAsPublished: boolean
  readonly identifiers: readonly number[]
}

const noWishes: Wishes = { isUnwanted: false, retainAsPublished: false, identifiers: [] }

/** How often a client of the trusted mode may have what a session has: load tests want more. */
const trustedFactor = 32

export class GrantedFilters {
  readonly #byQos = [new Set<string>(), new Set<string>(), new Set<string>()] as const
  /** Of the filters that have any. */
  readonly #options = new Map<string, SubscriptionOptions>()
  #bytes = 0

  has(filter: string): boolean {
    return this.#byQos.some((filters) => filters.has(filter))
  }

  /** Takes a filter in if it has not too many levels and there is room. */
  add(filter: string, qos: Qos, options: SubscriptionOptions): boolean {
    if (!isShallow(filter)) return false
    const bytes = this.has(filter) ? 0 : filterBytes(filter)
    if (this.#bytes + bytes > filtersBytesMax * trustedFactor) return false
    this.set(filter, qos, options)
    return true
  }

  set(filter: string, qos: Qos, options: SubscriptionOptions): void {
    if (!this.#byQos[qos].has(filter)) {
      this.delete(filter)
      this.#byQos[qos].add(filter)
      this.#bytes += filterBytes(filter)
    }
    const { noLocal, retainAsPublished, identifier } = options
    if (noLocal || retainAsPublished || identifier !== undefined) this.#options.set(filter, options)
    else this.#options.delete(filter)
  }

  delete(filter: string): void {
    if (!this.has(filter)) return
    for (const filters of this.#byQos) filters.delete(filter)
    this.#options.delete(filter)
    this.#bytes -= filterBytes(filter)
  }

  optionsOf(filter: string): SubscriptionOptions | undefined {
    return this.#options.get(filter)
  }

  /** What the filters ask for that match a message. */
  wishesFor(topic: string, isOwn: boolean): Wishes {
    if (this.#options.size === 0) return noWishes
    const identifiers: number[] = []
    let retainAsPublished = false
    for (const [filter, options] of this.#options) {
      if ((isOwn && options.noLocal) || !matches(filter, topic)) continue
      if (options.retainAsPublished) retainAsPublished = true
      if (options.identifier !== undefined) identifiers.push(options.identifier)
    }
    return { isUnwanted: isOwn && this.#isUnwanted(topic), retainAsPublished, identifiers }
  }

  /** Whether a message of the client itself is matched by filters with No Local only
   * [MQTT5-3.8.3-3]. */
  #isUnwanted(topic: string): boolean {
    const matching = this.#all().filter((filter) => matches(filter, topic))
    return matching.length > 0 && matching.every((filter) => this.#options.get(filter)?.noLocal)
  }

  #all(): string[] {
    return this.#byQos.flatMap((filters) => [...filters])
  }

  /** The highest QoS of the filters that match a topic that one of them matches [MQTT-3.3.5-1].
   * Looks at filters only as long as they differ in that. Filters with No Local do not count for
   * the client's own messages. */
  qosOf(topic: string, isOwn = false): Qos {
    if (isOwn && this.#options.size > 0) return this.#ownQosOf(topic)
    const [lowest, middle, highest] = this.#byQos
    const isAny = (filters: ReadonlySet<string>, others: number) =>
      filters.size > 0 && (others === 0 || [...filters].some((filter) => covers(filter, topic)))
    if (isAny(highest, middle.size + lowest.size)) return 2
    if (isAny(middle, lowest.size)) return 1
    return lowest.size > 0 ? 0 : 2
  }

  #ownQosOf(topic: string): Qos {
    const qos = ([2, 1] as const).find((qos) =>
      [...this.#byQos[qos]].some(
        (filter) => !this.#options.get(filter)?.noLocal && matches(filter, topic),
      ),
    )
    return qos ?? 0
  }
}

/** A topic that begins with `$` is not matched by a wildcard there [MQTT-4.7.2-1]. */
function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && !filter.startsWith('$')) return false
  return covers(filter, topic)
}
