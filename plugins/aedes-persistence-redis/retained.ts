// Retained messages, kept by aedes-persistence-redis in one hash; here are their bounds, their end,
// and what the package gets wrong: topics that mean something in a pattern of Redis.

import { Readable } from 'node:stream'
import type { Clock } from '../../protocol/clock.ts'
import { covers } from '../../protocol/filters.ts'
import { levelBytes } from '../../protocol/limits.ts'
import type { RedisPersistence } from './package.ts'
import type { Connection } from './scripts.ts'

export interface RetainedLimits {
  /** Most retained messages. */
  readonly retainedMax: number
  /** Most bytes of their payloads and topics, and of the levels of these. */
  readonly retainedBytesMax: number
}

interface RetainedPacket {
  readonly topic: string
  readonly payload: Uint8Array | string
  readonly qos: 0 | 1 | 2
  readonly clientId?: string
  readonly messageExpiry?: number
}

interface RetainedParts {
  readonly redis: Connection
  readonly package: RedisPersistence
  readonly limits: RetainedLimits
  readonly now: Clock
  /** Redis could not be asked, or has no room. */
  failed(err: unknown): void
  full(): void
}

export interface Retained {
  /** Keeps a message in place of the one before if there is room; or else its topic has none. What
   * this process asks for afterwards finds it; never rejects. */
  storeRetained(packet: RetainedPacket): Promise<void>
  /** The messages that match any of the filters, for each of these. */
  createRetainedStreamCombi(filters: readonly string[]): Readable
}

const never = Number.POSITIVE_INFINITY
const keys = ['retained', 'retained-sizes', 'retained-expiries', 'retained-bytes']
const noPayload = Buffer.alloc(0)

export function makeRetained(parts: RetainedParts): Retained {
  const { redis, package: persistence, limits, now, failed, full } = parts

  async function* matching(filters: readonly string[]): AsyncGenerator<RetainedPacket> {
    for (const filter of filters) {
      const seen = new Set<string>()
      try {
        for await (const it of persistence.createRetainedStreamCombi([asked(filter)])) {
          const packet = it as RetainedPacket
          const { topic, messageExpiry } = packet
          // A hash that grows meanwhile is given in part twice.
          if (seen.has(topic) || !covers(filter, topic)) continue
          seen.add(topic)
          if ((messageExpiry ?? never) > now()) yield packet
        }
      } catch (err) {
        failed(err)
      }
    }
  }

  return {
    async storeRetained({ topic, qos, payload, clientId, messageExpiry }) {
      const levels = topic.split('/').length
      const length = payload.length
      const bytes = length === 0 ? 0 : length + Buffer.byteLength(topic) + levels * levelBytes
      const bounds = [now(), limits.retainedMax, limits.retainedBytesMax]
      const origin = {
        ...(clientId === undefined ? {} : { clientId }),
        ...(messageExpiry === undefined ? {} : { messageExpiry }),
      }
      const packet = { cmd: 'publish', topic, qos, payload, retain: true, ...origin }
      try {
        // Both are on their way at once, so that what follows in this turn finds the message.
        const [hasRoom] = await Promise.all([
          redis.plainRetain(...keys, topic, bytes, messageExpiry ?? '', ...bounds),
          persistence.storeRetained(packet),
        ])
        if (hasRoom === 1) return
        full()
        await persistence.storeRetained({ topic, payload: noPayload })
      } catch (err) {
        failed(err)
      }
    },
    createRetainedStreamCombi: (filters) => Readable.from(matching(filters)),
  }
}

/** What the package is asked for instead of a filter. It makes a pattern of Redis of what stands
 * before the first wildcard, and of `+` that there is a further character. */
function asked(filter: string): string {
  const wildcard = filter.search(/[+#]/)
  if (wildcard < 0) return filter
  const start = filter.slice(0, wildcard)
  const special = start.search(/[*?[\]\\^]/)
  if (special < 0) return filter
  return `${start.slice(0, start.lastIndexOf('/', special) + 1)}#`
}
