// A member of a cluster: MongoDB keeps everything, Redis hands out positions and carries what the
// brokers tell each other. Whatever is in Redis may vanish at any moment.

import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import type { Redis } from 'ioredis'
import type { Settings } from '../config/schema.ts'
import { makePlainBus } from '../plugins/aedes-persistence-redis/plain-bus.ts'
import { makeRedisPlainPersistence } from '../plugins/aedes-persistence-redis/redis.ts'
import { makeRedisBus } from '../plugins/bus-redis/bus.ts'
import { makeRedisClaims } from '../plugins/claims-redis/claims.ts'
import { makeRedisJobs } from '../plugins/jobs-redis/jobs-redis.ts'
import { makeRecentRedis } from '../plugins/recent-redis/recent-redis.ts'
import type { RedisUse } from '../plugins/redis/connect.ts'
import { connectRedis, refuseCluster } from '../plugins/redis/connect.ts'
import { makeRedisSequencer } from '../plugins/sequencer-redis/sequencer-redis.ts'
import { makeMessages, makeToken } from '../plugins/store-mongo/messages.ts'
import { makePackets } from '../plugins/store-mongo/packets.ts'
import { openMongoStore } from '../plugins/store-mongo/store.ts'
import { systemClock } from '../protocol/clock.ts'
import { OperatorFault } from '../protocol/failure.ts'
import type { Logger } from '../protocol/logger.ts'
import { makePeers } from '../services/bus/peers.ts'
import { makeDirectory } from '../services/delivery/directory.ts'
import { makeLocks } from '../services/delivery/locks.ts'
import { makeLanedLog } from '../services/log/laned-log.ts'
import type { Persistence } from '../services/log/persistence.ts'
import { makePersistence } from '../services/log/persistence.ts'
import type { FallbackSequencer } from '../services/log/positions/fallback.ts'
import { makeFallbackSequencer, makeStoreSequencer } from '../services/log/positions/fallback.ts'
import type { PositionStore } from '../services/log/positions/ports.ts'
import type { PositionLog } from '../services/log/positions/position-log.ts'
import { makePositionLog } from '../services/log/positions/position-log.ts'
import type { Platform, PlatformParts } from './platform.ts'
import { plainLimitsOf } from './platform.ts'

/** After Redis could not be asked for positions the store is asked for so long, ms. */
const fallbackMs = 1000
/** Most waves of commits that are under way; see `makeLanedLog`. One: 68 µs of CPU per message of
 * 50 pairs, two: 72–78 (2026-11-23). */
const wavesMax = 1

/** Rejects with `OperatorFault` when a URL is not what it should be, and with `StoreFailure` when
 * MongoDB does not answer. Redis need not be there. */
export async function openCluster(
  settings: Settings,
  { logger }: PlatformParts,
): Promise<Platform> {
  const clock = systemClock
  // For server.json only.
  await mkdir(settings.data, { recursive: true, mode: 0o700 })
  const persistence = makePersistence({ clock, logger })
  const url = settings.mongodbUrl?.reveal() ?? ''
  const redis = await connectAll(settings, logger)
  const store = await openMongoStore({ url, logger, clock, failed: persistence.failed }).catch(
    (error: unknown) => {
      redis.disconnect()
      throw error
    },
  )
  const positions = { ...makeMessages(store.db), ...makePackets(store.db) }
  const sequencer = makeSequencer(redis.commands, positions)
  const log = makeLogOfPositions({ settings, positions, sequencer, persistence })
  const inFront = putInFront(log, { settings, redis: redis.commands })
  const broker = randomBytes(9).toString('base64url')
  const bus = makeRedisBus(redis.bus, logger)
  const peers = makePeers(bus)
  const claims = makeRedisClaims({ redis: redis.commands, broker })
  const directory = makeDirectory({ peers, claims, clock, broker })
  const jobs = makeRedisJobs({ redis: redis.jobs, clock, logger })
  const limits = plainLimitsOf(settings)
  const plain = { commands: redis.plain, subscriptions: redis.plainSubscriptions, logger }
  return {
    store: { ...store, log: inFront },
    makeLog: (parts, options) =>
      makeLanedLog({ ...parts, store: inFront, persistence }, { ...options, wavesMax }),
    jobs,
    peers,
    directory,
    plainPersistence: makeRedisPlainPersistence({ redis: redis.plain, limits, logger }),
    plainBus: makePlainBus(plain),
    loadKeys: store.loadKeys,
    loadAdminToken: store.loadAdminToken,
    degraded() {
      const isAway = redis.commands.status !== 'ready' || sequencer.isFallenBack()
      return isAway ? ['redis'] : bus.isUp() ? [] : ['bus']
    },
    async close() {
      await jobs.close()
      directory.close()
      await claims.close()
      await bus.close()
      redis.disconnect()
      await store.close()
    },
  }
}

/** The connections to Redis, each for its use. */
async function connectAll(settings: Settings, logger: Logger) {
  const url = settings.redisUrl?.reveal() ?? ''
  const made: Redis[] = []
  const connect = (to: string, name: string, use: RedisUse): Redis => {
    const redis = connectRedis(to, { use, name, logger })
    made.push(redis)
    return redis
  }
  const disconnect = () => {
    for (const redis of made) redis.disconnect()
  }
  try {
    const busUrls = settings.busRedisUrls?.reveal().split(',') ?? [url]
    const bus = busUrls.map((busUrl, n) => ({
      commands: connect(busUrl.trim(), `bus-${n}`, 'commands'),
      subscriptions: connect(busUrl.trim(), `bus-${n}-subscriptions`, 'bus'),
    }))
    const commands = connect(url, 'commands', 'commands')
    await Promise.all([commands, ...bus.map((it) => it.commands)].map(refuseCluster))
    return {
      commands,
      bus,
      plain: connect(url, 'plain', 'commands'),
      plainSubscriptions: connect(url, 'plain-subscriptions', 'subscriptions'),
      jobs: connect(url, 'jobs', 'waiting'),
      disconnect,
    }
  } catch (error) {
    disconnect()
    throw error instanceof OperatorFault ? error : new OperatorFault(messageOf(error))
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'a URL of Redis cannot be used'
}

/** Redis, or while it is away the store. */
function makeSequencer(redis: Redis, positions: PositionStore): FallbackSequencer {
  const makeEpoch = () => randomBytes(9).toString('base64url')
  return makeFallbackSequencer(
    {
      first: makeRedisSequencer({ redis, heads: positions.heads, makeEpoch }),
      second: makeStoreSequencer(positions),
      clock: systemClock,
    },
    { pauseMs: fallbackMs },
  )
}

interface LogParts {
  readonly settings: Settings
  readonly positions: PositionStore
  readonly sequencer: FallbackSequencer
  readonly persistence: Persistence
}

function makeLogOfPositions({ settings, positions, sequencer, persistence }: LogParts) {
  return makePositionLog(
    {
      store: positions,
      sequencer,
      clock: systemClock,
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      failed: persistence.failed,
      worked: persistence.worked,
      withLock: makeLocks(),
      makeToken,
    },
    { waitMs: settings.appendWaitMs, fillAfterMs: settings.fillAfterMs },
  )
}

/** The log, with the recent entries in front of it if they are to be kept. */
function putInFront(
  log: PositionLog,
  { settings, redis }: { readonly settings: Settings; readonly redis: Redis },
): PositionLog {
  const { recentEntriesMax: entriesMax } = settings
  if (entriesMax === 0) return log
  const recent = makeRecentRedis({ log, redis, clock: systemClock }, { entriesMax })
  return {
    ...recent.log,
    async place(batch, at) {
      const results = await log.place(batch, at)
      recent.stored(batch, results)
      return results
    },
  }
}
