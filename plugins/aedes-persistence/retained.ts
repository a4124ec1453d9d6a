// Retained messages, by topic, with bounds. One that is not kept is delivered to who listens all
// the same. aedes' own persistence has no bounds, looks at every message for every filter, and
// knows no empty levels.

import { Readable } from 'node:stream'
import type { Clock } from '../../protocol/clock.ts'
import { levelBytes } from '../../protocol/limits.ts'
import type { Logger } from '../../protocol/logger.ts'
import { LevelTree } from './level-tree.ts'

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
  /** Who published it. */
  readonly clientId?: string
  /** When it is over, ms since the epoch; never if absent. */
  readonly messageExpiry?: number
}

export interface Retained {
  /** Keeps a message in place of the one before if there is room; or else, as what it replaces is
   * outdated, its topic has none [MQTT-3.3.1-7]. One without payload only removes that
   * [MQTT-3.3.1-10]. Done when it returns. */
  storeRetained(packet: RetainedPacket): Promise<void>
  /** The messages that match any of the filters, for each of these. Those that are over are removed
   * [MQTT5-3.3.2-5]. */
  createRetainedStreamCombi(filters: readonly string[]): Readable
}

interface Kept extends RetainedPacket {
  readonly cmd: 'publish'
  readonly retain: true
  /** What it counts for. */
  readonly bytes: number
}

const never = Number.POSITIVE_INFINITY
/** All messages are looked at for what is over at most so often, ms. */
const sweepMs = 1000

export function makeRetained(limits: RetainedLimits, logger: Logger, now: Clock): Retained {
  const { retainedMax, retainedBytesMax } = limits
  const tree = new LevelTree<Kept>()
  let count = 0
  let total = 0
  let hasWarned = false
  /** When the messages are over that ever are; nothing is before `nextExpiry`. */
  const expiries = new Map<string, number>()
  let nextExpiry = never

  const warn = () => {
    if (hasWarned) return
    hasWarned = true
    logger.warn({ retainedMax, retainedBytesMax }, 'no room for another retained message')
  }

  const remove = (topic: string) => {
    const kept = tree.get(topic)
    if (kept === undefined) return
    tree.delete(topic)
    expiries.delete(topic)
    count--
    total -= kept.bytes
  }

  const isOver = ({ messageExpiry = never }: Kept) => messageExpiry <= now()

  async function* matching(filters: readonly string[]) {
    for (const filter of filters) {
      for await (const kept of tree.ofTopicsFor(filter)) {
        if (!isOver(kept)) yield kept
        else if (tree.get(kept.topic) === kept) remove(kept.topic)
      }
    }
  }

  /** When what is over was last looked for. */
  let sweptAt = Number.NEGATIVE_INFINITY

  const isFull = (bytes: number) => count >= retainedMax || total + bytes > retainedBytesMax

  /** Whether there is room, when what is over has gone. */
  const hasRoom = (bytes: number): boolean => {
    if (!isFull(bytes)) return true
    if (nextExpiry > now() || now() < sweptAt + sweepMs) return false
    sweptAt = now()
    nextExpiry = never
    for (const [topic, expiry] of expiries) {
      if (expiry <= now()) remove(topic)
      else nextExpiry = Math.min(nextExpiry, expiry)
    }
    return !isFull(bytes)
  }

  return {
    async storeRetained({ topic, qos, payload: given, clientId, messageExpiry }) {
      remove(topic)
      if (given.length === 0) return
      const payload = ownCopy(given)
      const levels = topic.split('/').length
      const bytes = payload.length + Buffer.byteLength(topic) + levels * levelBytes
      if (!hasRoom(bytes)) return warn()
      if (messageExpiry !== undefined) expiries.set(topic, messageExpiry)
      nextExpiry = Math.min(nextExpiry, messageExpiry ?? never)
      const origin = {
        ...(clientId === undefined ? {} : { clientId }),
        ...(messageExpiry === undefined ? {} : { messageExpiry }),
      }
      tree.set(topic, { cmd: 'publish', topic, qos, payload, retain: true, bytes, ...origin })
      count++
      total += bytes
    },
    createRetainedStreamCombi: (filters) => Readable.from(matching(filters)),
  }
}

/** What came from the network is part of a larger buffer, which must not be kept for it. */
function ownCopy(payload: Uint8Array | string): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
