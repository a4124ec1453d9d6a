// The filters of plain topics a client of aedes has, with what each was granted. aedes is told
// QoS 2 for all of them, because it lets one that equals a topic lower the others.

import { covers, filterBytes, isShallow } from '../protocol/filters.ts'
import { filtersBytesMax } from '../protocol/limits.ts'

type Qos = 0 | 1 | 2

/** How often a client of the trusted mode may have what a session has: load tests want more. */
const trustedFactor = 32

export class GrantedFilters {
  readonly #byQos = [new Set<string>(), new Set<string>(), new Set<string>()] as const
  #bytes = 0

  has(filter: string): boolean {
    return this.#byQos.some((filters) => filters.has(filter))
  }

  /** Takes a filter in if it has not too many levels and there is room. */
  add(filter: string, qos: Qos): boolean {
    if (!isShallow(filter)) return false
    const bytes = this.has(filter) ? 0 : filterBytes(filter)
    if (this.#bytes + bytes > filtersBytesMax * trustedFactor) return false
    this.set(filter, qos)
    return true
  }

  set(filter: string, qos: Qos): void {
    if (this.#byQos[qos].has(filter)) return
    this.delete(filter)
    this.#byQos[qos].add(filter)
    this.#bytes += filterBytes(filter)
  }

  delete(filter: string): void {
    if (!this.has(filter)) return
    for (const filters of this.#byQos) filters.delete(filter)
    this.#bytes -= filterBytes(filter)
  }

  /** The highest QoS of the filters that match a topic that one of them matches [MQTT-3.3.5-1].
   * Looks at filters only as long as they differ in that. */
  qosOf(topic: string): Qos {
    const [lowest, middle, highest] = this.#byQos
    const isAny = (filters: ReadonlySet<string>, others: number) =>
      filters.size > 0 && (others === 0 || [...filters].some((filter) => covers(filter, topic)))
    if (isAny(highest, middle.size + lowest.size)) return 2
    if (isAny(middle, lowest.size)) return 1
    return lowest.size > 0 ? 0 : 2
  }
}
