// Plain topics in a cluster: aedes' own emitter serves the clients of this broker, at once; a bus
// tells the others, and is told, what the filters of their clients match.

import type { Aedes } from 'aedes'
import type { Forwarded, PlainBus } from './ports.ts'

type Hear = (packet: Forwarded, done: () => void) => void

interface Emitter {
  on(filter: string, hear: Hear, done?: () => void): unknown
  removeListener(filter: string, hear: Hear, done?: () => void): unknown
  emit(packet: Forwarded, done?: (err?: Error) => void): unknown
}

interface Listening {
  readonly isReady: Promise<void>
  /** How many clients have the filter. */
  count: number
}

/** aedes tells of its clients on `$SYS`. Other brokers need to know that one lives, and who has
 * subscribed to what. */
const toldFilters = new Set(['$SYS/+/heartbeat', '$SYS/sub/+'])
const toldTopic = /^\$SYS\/(?:[^/]+\/heartbeat|sub\/[^/]+)$/

const isToldFilter = (filter: string) => !filter.startsWith('$') || toldFilters.has(filter)
const isTold = (topic: string) => !topic.startsWith('$') || toldTopic.test(topic)

/** To be called before aedes listens. `missed` is called when messages may have been lost. */
export function joinOthers(aedes: Aedes, bus: PlainBus, missed: () => void): void {
  const { mq } = aedes as unknown as { mq: Emitter }
  const on = mq.on.bind(mq)
  const removeListener = mq.removeListener.bind(mq)
  const emit = mq.emit.bind(mq)
  const listenings = new Map<string, Listening>()

  mq.on = (filter, hear, done) => {
    if (!isToldFilter(filter)) return on(filter, hear, done)
    const listening = listenings.get(filter) ?? { isReady: bus.listen(filter), count: 0 }
    listening.count++
    listenings.set(filter, listening)
    on(filter, hear)
    if (done !== undefined) void listening.isReady.then(done)
    return mq
  }
  mq.removeListener = (filter, hear, done) => {
    const listening = listenings.get(filter)
    if (listening !== undefined && --listening.count === 0) {
      listenings.delete(filter)
      bus.unlisten(filter)
    }
    return removeListener(filter, hear, done)
  }
  mq.emit = (packet, done) => {
    if (isTold(packet.topic)) bus.tell(packet)
    return emit(packet, done)
  }
  bus.hear((packet) => void emit(packet as Forwarded), missed)
}
