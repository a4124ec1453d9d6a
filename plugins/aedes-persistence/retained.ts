// The bounds on retained messages. Those of aedes have none, and one that is not kept is delivered
// to who listens all the same.

import type { Logger } from '../../protocol/logger.ts'

export interface RetainedLimits {
  /** Most retained messages. */
  readonly retainedMax: number
  /** Most bytes of their payloads and topics. */
  readonly retainedBytesMax: number
}

export interface RetainedPacket {
  readonly topic: string
  readonly payload: Uint8Array | string
  readonly qos: 0 | 1 | 2
}

interface RetainedParts {
  readonly limits: RetainedLimits
  readonly logger: Logger
  /** Keeps a message in place of the one before; without payload it only removes that. */
  store(packet: RetainedPacket): void
}

/** Returns what takes a retained message: it is kept if there is room, or else, as what it replaces
 * is outdated, its topic has none [MQTT-3.3.1-7]. */
export function makeRetained({ limits, logger, store }: RetainedParts) {
  const { retainedMax, retainedBytesMax } = limits
  const sizes = new Map<string, number>()
  let total = 0
  let hasWarned = false

  const warn = () => {
    if (hasWarned) return
    hasWarned = true
    logger.warn({ retainedMax, retainedBytesMax }, 'no room for another retained message')
  }

  return (packet: RetainedPacket): void => {
    const { topic, qos } = packet
    const payload = ownCopy(packet.payload)
    const size = payload.length + Buffer.byteLength(topic)
    total -= sizes.get(topic) ?? 0
    sizes.delete(topic)
    const isFull = sizes.size >= retainedMax || total + size > retainedBytesMax
    if (payload.length === 0 || isFull) {
      if (payload.length > 0) warn()
      return store({ topic, qos, payload: Buffer.alloc(0) })
    }
    sizes.set(topic, size)
    total += size
    store({ topic, qos, payload })
  }
}

/** What came from the network is part of a larger buffer, which must not be kept for it. */
function ownCopy(payload: Uint8Array | string): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
