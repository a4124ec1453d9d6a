// The wills of connected devices, and those that wait for their delay, by the broker that has to
// publish them. When a broker is silent for long, its wills are the others': each goes to one of
// them. aedes does the counting of heartbeats and the publishing.

import { randomUUID } from 'node:crypto'
import type { Clock } from '../../protocol/clock.ts'
import type { Connection } from './scripts.ts'

interface WillPacket {
  readonly topic: string
  readonly payload: Uint8Array | string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** How long after its device it is published, ms. */
  readonly delayMs?: number
}

/** A will of a broker that is no more. */
interface Orphan extends WillPacket {
  readonly cmd: 'publish'
  readonly dup: false
  readonly clientId: string
  /** No broker's id: what tells this will from all other messages. */
  readonly brokerId: string
}

interface WillRecord {
  readonly clientId: string
  readonly topic: string
  readonly payload: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly delayMs: number
  /** When it is to be published, ms since the epoch, once that is known. */
  readonly dueAt?: number
}

export interface Wills {
  putWill(client: { readonly id: string }, packet: WillPacket): Promise<void>
  delWill(client: { readonly id: string; readonly brokerId?: string }): Promise<void>
  /** The wills that are to be published now, of brokers that `alive` does not name, now as at the
   * last time it was asked: after an outage all are silent for a moment. */
  streamWill(alive: Readonly<Record<string, unknown>>): AsyncGenerator<Orphan>
  /** Keeps a will whose device has gone. */
  keepDelayed(clientId: string, packet: WillPacket, dueAt: number): Promise<void>
  dropDelayed(clientId: string): Promise<void>
  /** The device is back: what an earlier connection left is not published. */
  dropWills(clientId: string): Promise<void>
}

const brokersKey = 'will-brokers'
const willsKey = 'wills:'

export function makeWills(redis: Connection, brokerId: () => string, now: Clock): Wills {
  let silentBefore = new Set<string>()
  /** Fields of the wills that aedes publishes now. */
  const adopted = new Map<string, string>()

  const put = async (field: string, record: WillRecord) => {
    await redis
      .multi()
      .sadd(brokersKey, brokerId())
      .hset(willsKey + brokerId(), field, JSON.stringify(record))
      .exec()
  }

  const move = (from: string, field: string, to: string, newField: string, record: WillRecord) => {
    const place = [from, field, to, newField]
    return redis.plainMoveWill(brokersKey, willsKey, ...place, JSON.stringify(record))
  }

  async function* orphansOf(broker: string): AsyncGenerator<Orphan> {
    let isEmpty = true
    for await (const page of redis.hscanStream(willsKey + broker)) {
      const fields = page as string[]
      for (let index = 0; index < fields.length; index += 2) {
        isEmpty = false
        const [field = '', json = ''] = fields.slice(index, index + 2)
        const orphan = await adopt(broker, field, JSON.parse(json) as WillRecord)
        if (orphan !== undefined) yield orphan
      }
    }
    if (isEmpty) await redis.srem(brokersKey, broker)
  }

  const adopt = async (broker: string, field: string, record: WillRecord) => {
    const dueAt = record.dueAt ?? now() + record.delayMs
    if (dueAt > now()) {
      const isNew = record.dueAt === undefined
      if (isNew) await move(broker, field, broker, field, { ...record, dueAt })
      return undefined
    }
    const id = `orphan-${randomUUID()}`
    // It is this broker's now, and the next one's if this one dies, too.
    if ((await move(broker, field, brokerId(), id, { ...record, dueAt })) === 0) return undefined
    adopted.set(id, record.clientId)
    const { clientId, topic, payload, qos, retain } = record
    const packet = { topic, qos, retain, payload: Buffer.from(payload, 'base64'), clientId }
    return { cmd: 'publish' as const, dup: false as const, ...packet, brokerId: id }
  }

  return {
    putWill: ({ id }, packet) => put(id, recordOf(id, packet)),
    async delWill({ id, brokerId: of }) {
      // Before a new will aedes removes what it thinks is the one before.
      if (of === undefined) return
      await redis.hdel(willsKey + brokerId(), adopted.delete(of) ? of : id)
    },
    async *streamWill(alive) {
      const before = silentBefore
      const silent = new Set<string>()
      silentBefore = new Set()
      for (const broker of await redis.smembers(brokersKey)) {
        if (broker === brokerId() || alive[broker] !== undefined) continue
        silent.add(broker)
        if (before.has(broker)) yield* orphansOf(broker)
      }
      silentBefore = silent
    },
    keepDelayed: (id, packet, dueAt) => put(`${id} delayed`, { ...recordOf(id, packet), dueAt }),
    async dropDelayed(id) {
      await redis.hdel(willsKey + brokerId(), `${id} delayed`)
    },
    async dropWills(id) {
      await redis.plainDropWills(brokersKey, willsKey, id, `${id} delayed`)
    },
  }
}

function recordOf(clientId: string, packet: WillPacket): WillRecord {
  const { topic, qos, retain, payload, delayMs = 0 } = packet
  return { clientId, topic, qos, retain, delayMs, payload: Buffer.from(payload).toString('base64') }
}
