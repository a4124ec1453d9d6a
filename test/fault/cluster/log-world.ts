// Appenders and readers on a real log: each appender is what a broker has of it, with connections
// of its own to Redis and MongoDB, in this process. Publishers move between them as clients do.

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { ObjectId } from 'mongodb'
import { connectRedis } from '../../../plugins/redis/connect.ts'
import { makeRedisSequencer } from '../../../plugins/sequencer-redis/sequencer-redis.ts'
import { makeIndexes } from '../../../plugins/store-mongo/collections.ts'
import { connectMongo } from '../../../plugins/store-mongo/connect.ts'
import { makeMessages } from '../../../plugins/store-mongo/messages.ts'
import { makePackets } from '../../../plugins/store-mongo/packets.ts'
import { systemClock } from '../../../protocol/clock.ts'
import type { Entry } from '../../../protocol/entry.ts'
import { isVoid } from '../../../protocol/entry.ts'
import { makeLocks } from '../../../services/delivery/locks.ts'
import type { NewMessage } from '../../../services/log/ports.ts'
import {
  makeFallbackSequencer,
  makeStoreSequencer,
} from '../../../services/log/positions/fallback.ts'
import { makePositionLog, type PositionLog } from '../../../services/log/positions/position-log.ts'
import type { Owner } from '../../support/engine-process.ts'
import type { SeenEntry, SentMessage } from '../checker.ts'

export interface AppenderOptions {
  readonly mongodbUrl: string
  readonly redisUrl: string
}

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

/** How long an append tries, and how old a hole becomes, ms. */
const log = { waitMs: 8000, fillAfterMs: 1500 }

/** The log as one broker has it. */
export async function makeAppender(t: Owner, options: AppenderOptions): Promise<PositionLog> {
  const mongo = await connectMongo({ url: options.mongodbUrl, logger: quiet })
  const redis = connectRedis(options.redisUrl, { use: 'commands', name: 'log', logger: quiet })
  t.teardown(async () => {
    redis.disconnect()
    await mongo.close()
  })
  await makeIndexes(mongo.db)
  const store = { ...makeMessages(mongo.db), ...makePackets(mongo.db) }
  const makeEpoch = () => randomBytes(9).toString('base64url')
  const first = makeRedisSequencer({ redis, heads: store.heads, makeEpoch })
  const second = makeStoreSequencer(store)
  return makePositionLog(
    {
      store,
      sequencer: makeFallbackSequencer({ first, second, clock: systemClock }, { pauseMs: 1000 }),
      clock: systemClock,
      pause: (ms) => sleep(ms),
      failed: () => {},
      worked: () => {},
      withLock: makeLocks(),
      makeToken: () => new ObjectId().toHexString(),
    },
    log,
  )
}

export interface LogPublisher {
  readonly from: string
  readonly messages: readonly (SentMessage & { isAcknowledged: boolean })[]
  /** Publishes until it is told to end and everything is acknowledged. */
  run(): Promise<void>
}

export interface LogPublisherOptions {
  readonly from: string
  readonly conversation: string
  readonly appenders: readonly PositionLog[]
  readonly random: () => number
  readonly isOver: () => boolean
}

/** Makes a client: it sends a few messages at a time in order, and moves to another appender when
 * one fails it, or for no reason while an append is under way; then it sends again what was not
 * acknowledged. */
export function makeLogPublisher(options: LogPublisherOptions): LogPublisher {
  const { from, conversation, appenders, random, isOver } = options
  const messages: (SentMessage & { isAcknowledged: boolean })[] = []
  let acknowledged = 0
  let appender = pick(appenders, random)
  let mayBeStored = true

  const make = () => {
    const text = `message ${messages.length} of ${from}`
    const id = `${from}-${messages.length}`
    messages.push({ conversation, id, text, isAcknowledged: false })
  }
  const newMessageOf = ({ id, text }: SentMessage): NewMessage => ({
    ...{ conversation, from, mayBeStored },
    body: { kind: 'text', messageId: id, fields: JSON.stringify({ text }) },
  })

  const step = async () => {
    const count = Math.floor(random() * 3) + (acknowledged === messages.length ? 1 : 0)
    if (!isOver()) for (let n = 0; n < count; n++) make()
    const batch = messages.slice(acknowledged)
    if (batch.length === 0) return sleep(5)
    const placing = appender.place(batch.map(newMessageOf), Date.now())
    const leaves = random() < 0.05
    const results = await (leaves ? sleep(random() * 20) : placing)
    if (leaves) placing.catch(() => {})
    const failed = results?.findIndex(({ kind }) => kind === 'failed') ?? 0
    for (const message of batch.slice(0, failed < 0 ? batch.length : failed)) {
      message.isAcknowledged = true
      acknowledged++
    }
    mayBeStored = failed >= 0
    if (failed >= 0) appender = pick(appenders, random)
    else await sleep(random() * 30)
  }

  return {
    from,
    messages,
    async run() {
      while (!isOver() || acknowledged < messages.length) await step()
    },
  }
}

/** Follows a conversation as a session that lags does, and keeps what it sees, until it is told to
 * end and has come to the head. */
export async function follow(
  reader: PositionLog,
  conversation: string,
  isOver: () => boolean,
): Promise<readonly SeenEntry[]> {
  const seen: SeenEntry[] = []
  let after = 0
  for (;;) {
    const wasOver = isOver()
    const page = await reader.read(conversation, { after, limit: 50 }).catch(() => undefined)
    for (const entry of page ?? []) {
      after = entry.seq
      if (!isVoid(entry)) seen.push(seenOf(entry))
    }
    if (page?.length) continue
    if (wasOver && page !== undefined) {
      const [head] = await reader.heads([conversation]).catch(() => [Number.NaN])
      if (head === after) return seen
    }
    await sleep(20)
  }
}

function seenOf({ conversation, seq, from, body }: Entry): SeenEntry {
  const { text } = JSON.parse(body.fields) as { text: string }
  const fields = { conversation, seq, from, id: body.messageId ?? '', text }
  return { ...fields, json: JSON.stringify(fields) }
}

function pick<Item>(items: readonly Item[], random: () => number): Item {
  return items[Math.floor(random() * items.length)] as Item
}
