// Connections to Redis: made here for all that use it, so that all of them time out, reconnect with
// a pause, follow a fail-over of Sentinel, and never end the process with an unheard error.

import { Redis, type RedisOptions } from 'ioredis'
import { OperatorFault } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'
import { parseRedisUrl } from './address.ts'

/** What a connection is for.
 * - `commands`: a command fails at once while Redis is away, and when it is not answered in time.
 *   None is sent twice, none is queued.
 * - `bus`: the same for subscriptions. Who uses it subscribes anew when it is `ready` again.
 * - `subscriptions`: commands wait for Redis, and subscriptions are renewed by themselves.
 * - `waiting`: commands wait for Redis without an end, as BullMQ wants it. */
export type RedisUse = 'commands' | 'bus' | 'subscriptions' | 'waiting'

export interface ConnectOptions {
  readonly use: RedisUse
  /** Names the connection, for the log and for CLIENT LIST. */
  readonly name: string
  readonly logger: Logger
}

/** How long a command waits for its answer, ms. */
const commandTimeoutMs = 2000
/** After so long without a byte, while one is expected, the connection is made anew, ms. */
const silenceMsMax = 5000
const connectTimeoutMs = 3000
const reconnectMsMin = 50
const reconnectMsMax = 2000

const failsAtOnce: RedisOptions = {
  commandTimeout: commandTimeoutMs,
  socketTimeout: silenceMsMax,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
}

/** While subscribed, a connection takes no INFO: one that renews its subscriptions by itself is
 * ready when it is connected. The bus subscribes when it is ready, so it can be asked before:
 * without that ioredis calls a connection ready that was closed in the same turn, and never makes
 * another. */
const optionsOf: Readonly<Record<RedisUse, RedisOptions>> = {
  commands: { ...failsAtOnce, enableAutoPipelining: true },
  bus: { ...failsAtOnce, autoResubscribe: false },
  subscriptions: {
    socketTimeout: silenceMsMax,
    enableReadyCheck: false,
    maxRetriesPerRequest: null,
  },
  waiting: { maxRetriesPerRequest: null },
}

/** Connects to a Redis in the background, and again whenever the connection is lost: use it at
 * once. Close it with `disconnect()`. Throws `OperatorFault` when the URL cannot be read. */
export function connectRedis(url: string, { use, name, logger }: ConnectOptions): Redis {
  const redis = new Redis({
    ...parseRedisUrl(url),
    ...optionsOf[use],
    connectionName: `parley-${name}`,
    connectTimeout: connectTimeoutMs,
    keepAlive: 10_000,
    noDelay: true,
    disableClientInfo: true,
    failoverDetector: true,
    sentinelCommandTimeout: commandTimeoutMs,
    sentinelRetryStrategy: pauseBefore,
    sentinelReconnectStrategy: pauseBefore,
    retryStrategy: pauseBefore,
    // A primary that has become a replica: the next connection finds the new one.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  })
  let isAway = false
  const away = (reason: string) => {
    if (!isAway) logger.warn({ connection: name, reason }, 'Redis is away')
    isAway = true
  }
  redis.on('error', (error: Error) => away(error.message))
  redis.on('reconnecting', () => away('the connection was lost'))
  redis.on('ready', () => {
    if (isAway) logger.info({ connection: name }, 'Redis is back')
    isAway = false
  })
  return redis
}

/** Refuses Redis Cluster, whose pub/sub loses messages and changes their order: rejects with
 * `OperatorFault`. Resolves when it is none, and when Redis is away, which is borne. `redis` is a
 * connection for commands; what it needs to be ready is waited for. */
export async function refuseCluster(redis: Redis): Promise<void> {
  await firstAttempt(redis)
  const info = await redis.info('cluster').catch(() => '')
  if (!/^cluster_enabled:1/m.test(info)) return
  throw new OperatorFault(
    'this Redis runs as Redis Cluster, which Parley does not support: use one primary, with ' +
      'Sentinel for fail-over, and BUS_REDIS_URLS to spread the load over several',
  )
}

/** Resolves when the first attempt to connect has succeeded or failed. */
function firstAttempt(redis: Redis): Promise<void> {
  if (redis.status === 'ready' || redis.status === 'reconnecting') return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      redis.off('ready', done)
      redis.off('close', done)
      resolve()
    }
    redis.on('ready', done)
    redis.on('close', done)
  })
}

/** Pauses grow from attempt to attempt; brokers that lost the same Redis come back one by one. */
function pauseBefore(attempt: number): number {
  const longest = Math.min(reconnectMsMax, reconnectMsMin * 2 ** Math.min(attempt, 10))
  return longest / 2 + Math.random() * (longest / 2)
}
