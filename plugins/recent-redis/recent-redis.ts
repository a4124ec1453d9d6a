// The newest entries of each conversation in Redis, in front of a log. Entries are asked for by
// their positions, and a position never changes: what is there is right, and what is not there is
// read from the log. So nothing depends on what Redis has kept, lost or been told.

import type { Redis, Result } from 'ioredis'
import type { Clock } from '../../protocol/clock.ts'
import type { Entry } from '../../protocol/entry.ts'
import { StoreFailure } from '../../protocol/failure.ts'
import type { AppendResult, LogStore, NewMessage, ReadRange } from '../../services/log/ports.ts'
import { decodeEntry, encodeEntry } from './entries.ts'
import { makeGuard } from './guard.ts'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    parleyKeepRecent(...args: (string | number)[]): Result<number, Context>
  }
}

interface Parts {
  /** What answers for good. */
  readonly log: LogStore
  /** For commands that fail at once while Redis is away, best with auto-pipelining. */
  readonly redis: Redis
  readonly clock: Clock
}

interface Options {
  /** Entries kept of each conversation, 1 or more. */
  readonly entriesMax: number
  /** How long they are kept after the first of them came, ms; an hour if absent. */
  readonly lifetimeMs?: number
}

export interface RecentEntries {
  /** The log, which reads the newest entries from Redis where it can. */
  readonly log: LogStore
  /** Keeps what was stored otherwise than by `log`. */
  stored(batch: readonly NewMessage[], results: readonly AppendResult[]): void
  /** Forgets a conversation, because bodies in it were emptied: call it after the store has done
   * so. Entries that were read before are not put back; unless Redis loses all it has in that
   * moment: who must be sure calls it again 10 s later, when nothing is on its way any more.
   * Rejects with `StoreFailure` when it may not have been done: try again. */
  invalidate(conversation: string): Promise<void>
  /** Reads that could be answered from Redis, and those of them that were, since the start. */
  readings(): { readonly asked: number; readonly answered: number }
}

/** Entries with larger content are read from the log. */
const fieldsBytesMax = 4096
/** How long a read waits for Redis, ms. */
const answerMs = 50
/** How long Redis is left alone after it failed, ms. */
const pauseMs = 1000
const callsMax = 2000
/** How long nothing is kept of a conversation after it was forgotten, ms. What was read before may
 * be kept for half of that. */
const forgottenMs = 10_000

/** Keys, all with a lifetime: `parley:recent:<conversation>`, a hash from positions to entries;
 * `parley:recent:<conversation>:forgotten` while nothing is to be kept of it. A hash rather than a
 * list, stream or sorted set: writes may come in any order, and reads name what they want. */
const keyOf = (conversation: string) => `parley:recent:${conversation}`
const forgottenKeyOf = (conversation: string) => `${keyOf(conversation)}:forgotten`

/** Keeps entries and drops those that are `max` below them. */
const keepScript = `
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local max, lifetime, isNew = tonumber(ARGV[1]), ARGV[2], redis.call('EXISTS', KEYS[1]) == 0
for index = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1])
  redis.call('HDEL', KEYS[1], string.format('%.0f', tonumber(ARGV[index]) - max))
end
if isNew then redis.call('PEXPIRE', KEYS[1], lifetime) end
if redis.call('HLEN', KEYS[1]) > 2 * max then redis.call('DEL', KEYS[1]) end
return 1`

/** Puts the newest entries in front of a log. Appends never wait for Redis, reads 50 ms at most. */
export function makeRecentRedis({ log, redis, clock }: Parts, options: Options): RecentEntries {
  const { entriesMax, lifetimeMs = 3_600_000 } = options
  const { ask } = makeGuard(clock, { answerMs, pauseMs, callsMax })
  redis.defineCommand('parleyKeepRecent', { numberOfKeys: 2, lua: keepScript })
  let asked = 0
  let answered = 0

  const keep = (conversation: string, entries: readonly Omit<Entry, 'conversation'>[]) => {
    const small = entries.filter(({ body }) => body.fields.length <= fieldsBytesMax)
    if (small.length === 0) return
    const newest = small.toSorted((a, b) => a.seq - b.seq).slice(-entriesMax)
    const pairs = newest.flatMap((entry) => [entry.seq, encodeEntry(entry)])
    const keys = [keyOf(conversation), forgottenKeyOf(conversation)]
    void ask(() => redis.parleyKeepRecent(...keys, entriesMax, lifetimeMs, ...pairs))
  }

  const read: LogStore['read'] = async (conversation, range) => {
    const begin = clock()
    const wanted = positionsOf(range, entriesMax)
    if (wanted.length > 0) {
      asked++
      const found = await ask(() => redis.hmget(keyOf(conversation), ...wanted.map(String)))
      const entries = found && decodeAll(conversation, wanted, found)
      if (entries !== undefined) {
        answered++
        return cut(entries, range)
      }
    }
    const entries = await log.read(conversation, range)
    if (wanted.length > 0 && clock() - begin < forgottenMs / 2) keep(conversation, entries)
    return entries
  }

  const stored: RecentEntries['stored'] = (batch, results) => {
    for (const [conversation, entries] of storedOf(batch, results)) keep(conversation, entries)
  }

  return {
    log: {
      ...log,
      read,
      async append(batch, at) {
        const outcomes = await log.append(batch, at)
        stored(batch, outcomes)
        return outcomes
      },
    },
    stored,
    async invalidate(conversation) {
      const forget = redis
        .multi()
        .set(forgottenKeyOf(conversation), 1, 'PX', forgottenMs)
        .del(keyOf(conversation))
      const done = await forget.exec().catch((error: unknown) => {
        throw new StoreFailure('Redis has not forgotten the recent entries', error)
      })
      const failed = done?.find(([error]) => error !== null)
      if (failed) throw new StoreFailure('Redis cannot forget the recent entries', failed[0])
    },
    readings: () => ({ asked, answered }),
  }
}

/** The positions that a read needs, in its order; none when that is not known, or when Redis cannot
 * have them all. */
function positionsOf(range: ReadRange, entriesMax: number): readonly number[] {
  const { after = 0, before = Number.MAX_SAFE_INTEGER, newestFirst = false, limit, head } = range
  if (head === undefined) return []
  const last = Math.min(head, before - 1)
  const count = Math.min(limit, last - after)
  const first = newestFirst ? last - count + 1 : after + 1
  if (count < 1 || first <= head - entriesMax) return []
  return Array.from({ length: count }, (_, n) => (newestFirst ? last - n : first + n))
}

/** The entries of the positions; undefined when one is missing. */
function decodeAll(
  conversation: string,
  wanted: readonly number[],
  found: readonly (string | null)[],
): readonly Entry[] | undefined {
  const entries: Entry[] = []
  for (const [index, seq] of wanted.entries()) {
    const text = found[index]
    const entry = text ? decodeEntry(conversation, seq, text) : undefined
    if (entry === undefined) return undefined
    entries.push(entry)
  }
  return entries
}

/** As many as fit `bytesMax`, one at least. */
function cut(entries: readonly Entry[], { bytesMax }: ReadRange): readonly Entry[] {
  if (bytesMax === undefined) return entries
  let bytes = 0
  const end = entries.findIndex(({ body }, index) => {
    bytes += Buffer.byteLength(body.fields)
    return bytes > bytesMax && index > 0
  })
  return end < 0 ? entries : entries.slice(0, end)
}

/** What of a batch was stored now, by conversation. */
function storedOf(batch: readonly NewMessage[], outcomes: readonly AppendResult[]) {
  const stored = new Map<string, Omit<Entry, 'conversation'>[]>()
  for (const [index, { conversation, from, body }] of batch.entries()) {
    const outcome = outcomes[index]
    if (outcome?.kind !== 'appended') continue
    const entries = stored.get(conversation) ?? []
    entries.push({ from, body, seq: outcome.seq, at: outcome.at })
    stored.set(conversation, entries)
  }
  return stored
}
