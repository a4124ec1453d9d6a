// What aedes keeps between connections, in a Redis that all brokers share: subscriptions and
// retained messages by aedes-persistence-redis; queues, half-finished QoS 2 and wills in keys of
// our own, see scripts.ts. Chat never comes here. What a device that is connected needs at once is
// in memory.

import type { Redis } from 'ioredis'
import type { Clock } from '../../protocol/clock.ts'
import { systemClock } from '../../protocol/clock.ts'
import type { Logger } from '../../protocol/logger.ts'
import { makeIncoming } from './incoming.ts'
import type { BrokerFacade } from './package.ts'
import { makePackage } from './package.ts'
import type { QueueLimits } from './queue-store.ts'
import { makeQueueStore } from './queue-store.ts'
import { makeQueues } from './queues.ts'
import type { RetainedLimits } from './retained.ts'
import { makeRetained } from './retained.ts'
import { connectScripts } from './scripts.ts'
import { makeSubscriptions } from './subscriptions.ts'
import { makeWills } from './wills.ts'

interface PersistenceParts {
  /** Of the use `commands`: what Redis cannot take now fails at once, nothing piles up. Another one
   * like it is opened, and closed with the persistence. */
  readonly redis: Redis
  readonly limits: QueueLimits & RetainedLimits
  readonly logger: Logger
  readonly clock?: Clock
}

/** Redis that is away is told once in so many ms. */
const complaintMs = 10_000
/** How long the first connection is waited for at the start, ms. */
const startMs = 2000

/** Makes the persistence. It starts without Redis, too: what cannot be kept is lost then, and all
 * is loaded when Redis is there. */
export function makeRedisPlainPersistence(parts: PersistenceParts) {
  const { logger, limits, clock = systemClock } = parts
  const redis = connectScripts(parts.redis)
  const complain = makeComplaints(clock, logger)
  const failed = (err: unknown) => complain(err, 'Redis could not be asked for plain topics')
  const full = () => complain(undefined, 'no room for what plain topics keep')
  redis.on('error', failed)
  let brokerId = ''
  /** Whether what is kept was asked for once. */
  let hasBegun = false
  const make = () => makePackage({ conn: redis })
  const subscriptions = makeSubscriptions(make)
  const retained = makeRetained({ redis, package: make(), limits, now: clock, failed, full })
  const queues = makeQueues(makeQueueStore({ redis, limits, now: clock, full }), failed)
  const incoming = makeIncoming(redis)
  const wills = makeWills(redis, () => brokerId, clock)
  const load = () => subscriptions.reload().catch(failed)

  const forget = async (id: string): Promise<void> => {
    const filters = await subscriptions.subscriptionsByClient({ id })
    await queues.forgetQueue(id)
    const topics = filters.map(({ topic }) => topic)
    await subscriptions.removeSubscriptions({ id }, topics)
  }

  return {
    ...subscriptions,
    ...retained,
    ...queues,
    ...incoming,
    ...tolerant(wills, failed),
    async setup(aedes: BrokerFacade) {
      brokerId = aedes.id
      await subscriptions.setup(aedes)
      await isReady(redis)
      await load()
      hasBegun = true
    },
    /** The lane forgets what a clean client left. */
    cleanSubscriptions: async () => {},
    /** aedes refuses a clean client if this fails. */
    cleanIncoming: (client: { readonly id: string }) =>
      incoming.cleanIncoming(client).catch(failed),
    forget,
    shared: {
      arrived: (id: string) => queues.arrived(id),
      departed: (id: string, nextId: number) => queues.departed(id, nextId),
      isKept: queues.isKept,
      dropWills: wills.dropWills,
      keepDelayed: wills.keepDelayed,
      dropDelayed: wills.dropDelayed,
      async catchUp() {
        await subscriptions.reload()
        return await queues.missed()
      },
      onBack: (call: () => void) => void redis.on('ready', () => hasBegun && call()),
      close: () => redis.disconnect(),
    },
  }
}

/** aedes ends a connection whose will cannot be kept, and the process if one cannot be removed; it
 * has the will itself, too. */
function tolerant(wills: ReturnType<typeof makeWills>, failed: (err: unknown) => void) {
  return {
    async *streamWill(...of: Parameters<typeof wills.streamWill>) {
      try {
        yield* wills.streamWill(...of)
      } catch (err) {
        failed(err)
      }
    },
    putWill: (...of: Parameters<typeof wills.putWill>) => wills.putWill(...of).catch(failed),
    delWill: (...of: Parameters<typeof wills.delWill>) => wills.delWill(...of).catch(failed),
  }
}

function makeComplaints(now: Clock, logger: Logger) {
  let last = Number.NEGATIVE_INFINITY
  return (err: unknown, message: string) => {
    if (now() < last + complaintMs) return
    last = now()
    logger.warn({ err }, message)
  }
}

function isReady(redis: Redis): Promise<void> {
  if (redis.status === 'ready') return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, startMs)
    redis.once('ready', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
