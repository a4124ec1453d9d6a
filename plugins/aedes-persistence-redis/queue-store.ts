// The queues of devices as Redis has them: each step is one script, whoever else is at work.

import type { Clock } from '../../protocol/clock.ts'
import { incomingKey } from './incoming.ts'
import type { QueuedPacket } from './queued-packet.ts'
import { bytesOf, memberOf, readPacket, received, writePacket } from './queued-packet.ts'
import type { Connection } from './scripts.ts'

export interface QueueLimits {
  /** Most messages that wait for one device. */
  readonly messagesMax: number
  /** Most bytes of their payloads and topics, and of what a message counts for beside them. */
  readonly bytesMax: number
  /** The same of all devices together. What several devices wait for counts for each. */
  readonly bytesInAllMax: number
}

interface QueueStoreParts {
  readonly redis: Connection
  readonly limits: QueueLimits
  readonly now: Clock
  /** There is no room for more in all queues. */
  full(): void
}

/** A packet of a queue, under the name it has there. */
interface Entry {
  readonly member: string
  readonly packet: QueuedPacket
}

/** How many messages of a queue are read at once. */
const pageMax = 50

const keysOf = (id: string) => [
  `order:${id}`,
  `messages:${id}`,
  `sent:${id}`,
  `expiries:${id}`,
  `info:${id}`,
  'bytes',
]

/** Another connection of the device has come: this one has no say any more. */
export class AnotherHasIt extends Error {
  constructor() {
    super('another connection has the device')
    this.name = 'AnotherHasIt'
  }
}

export type QueueStore = ReturnType<typeof makeQueueStore>

export function makeQueueStore({ redis, limits, now, full }: QueueStoreParts) {
  const mark = async (id: string, owner: string, member: string, ...state: (string | number)[]) => {
    const done = await redis.plainSent(...keysOf(id), owner, member, ...state)
    if (done < 0) throw new AnotherHasIt()
    return done === 1
  }
  return {
    /** Puts a message into a queue if there is room, with its packet id if it was sent. */
    async put(id: string, packet: QueuedPacket): Promise<void> {
      const { messagesMax, bytesMax, bytesInAllMax } = limits
      const facts = [memberOf(packet), writePacket(packet), bytesOf(packet)]
      const bounds = [now(), messagesMax, bytesMax, bytesInAllMax]
      const what = [...facts, packet.messageExpiry ?? '', ...bounds, packet.messageId ?? '']
      if ((await redis.plainEnqueue(...keysOf(id), ...what)) === -1) full()
    },
    /** Notes that a message was sent; whether it is in the queue. Rejects with
     * `AnotherHasIt`. */
    sent: (id: string, owner: string, member: string, packetId: number) =>
      mark(id, owner, member, packetId, ''),
    /** PUBREC: the message is not needed any more, but its packet id. As `sent`. */
    received: (id: string, owner: string, member: string, packetId: number) =>
      mark(id, owner, member, `r${packetId}`, received),
    async drop(id: string, owner: string, member: string): Promise<void> {
      await redis.plainDrop(...keysOf(id), owner, member, 0)
    },
    async dropUnsent(id: string, owner: string, member: string): Promise<void> {
      await redis.plainDrop(...keysOf(id), owner, member, 1)
    },
    /** What comes behind a place in the queue, and the place it goes up to. */
    async page(id: string, place: number): Promise<{ entries: Entry[]; last: number }> {
      const [order = '', messages = '', sent = ''] = keysOf(id)
      const range = [`(${place}`, '+inf', 'WITHSCORES', 'LIMIT', 0, pageMax] as const
      const found = await redis.zrangebyscore(order, ...range)
      const members = found.filter((_, index) => index % 2 === 0)
      if (members.length === 0) return { entries: [], last: place }
      const [bodies, states] = await Promise.all([
        redis.hmgetBuffer(messages, ...members),
        redis.hmget(sent, ...members),
      ])
      const entries = members.flatMap((member, index) => {
        const body = bodies[index]
        return body ? [{ member, packet: readPacket(body, member, states[index] ?? null) }] : []
      })
      return { entries, last: Number(found.at(-1)) }
    },
    /** A connection has the device from now on. What was kept of it: the next packet id, 0 if that
     * is not known, and the messages that are not answered, by packet id. */
    async arrive(id: string, owner: string) {
      const kept = await redis.plainArrive(...keysOf(id), owner)
      if (kept === null) return undefined
      const [next, ...states] = kept
      const sent = new Map<number, string>()
      for (let index = 0; index < states.length; index += 2) {
        sent.set(Number(states[index + 1]?.replace('r', '')), states[index] ?? '')
      }
      return { nextId: Number(next), sent }
    },
    async depart(id: string, owner: string, nextId: number): Promise<void> {
      await redis.plainDepart(...keysOf(id), owner, nextId)
    },
    isKept: async (id: string) => (await redis.exists(`info:${id}`)) === 1,
    /** Forgets queue and half-finished QoS 2. */
    async forget(id: string): Promise<void> {
      await redis.plainForget(...keysOf(id), incomingKey(id))
    },
    /** Whether something is in the queue that was not sent, or Redis has forgotten the device. */
    async needsCare(id: string): Promise<boolean> {
      const [order = '', , sent = '', , info = ''] = keysOf(id)
      const asked = [redis.zcard(order), redis.hlen(sent), redis.hexists(info, 'owner')] as const
      const [all, known, hasOwner] = await Promise.all(asked)
      return all > known || hasOwner === 0
    },
  }
}
