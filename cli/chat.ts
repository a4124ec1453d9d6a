// The log, the delivery engine, receipts and conversations, connected to each other over the ports
// of a platform. It knows no plugin.

import { randomBytes } from 'node:crypto'
import type { Settings } from '../config/schema.ts'
import { systemClock } from '../protocol/clock.ts'
import type { Logger } from '../protocol/logger.ts'
import { makeRoutes } from '../services/access/routes.ts'
import { makeConversations } from '../services/conversations/conversations.ts'
import { makeEngine } from '../services/delivery/engine.ts'
import { startExpiry } from '../services/delivery/expiry.ts'
import { makeMembershipNews } from '../services/delivery/membership-news.ts'
import { makeHealth } from '../services/log/health.ts'
import { makeReleases } from '../services/log/releases.ts'
import { makeReceipts } from '../services/receipts/receipts.ts'
import type { Platform } from './platform.ts'

const healthCheckMs = 2000

export type Chat = ReturnType<typeof makeChat>

/** The log, the delivery engine and what stands around them. */
export function makeChat(platform: Platform, settings: Settings, logger: Logger) {
  const { store, jobs, peers, directory } = platform
  const others = { ...(peers && { peers }), ...(directory && { directory }) }
  const engine = makeEngine(
    {
      devices: store.devices,
      conversations: store.conversations,
      log: store.log,
      logger,
      clock: systemClock,
      watch: {
        acknowledged: (position) => receipts.watch.acknowledged(position),
        started: (session) => receipts.watch.started(session),
        subscribed: (session) => receipts.watch.subscribed(session),
        reread: (member, membership) => receipts.watch.reread(member, membership),
        gone: (user) => receipts.watch.gone(user),
      },
      wantsRoom: () => expiry.hasten(),
      ...others,
    },
    settings,
  )
  const expiry = startExpiry(
    {
      jobs,
      devices: store.devices,
      markConnected: engine.markConnected,
      expired: (devices) => devices.forEach(engine.expired),
      clock: systemClock,
      logger,
    },
    { expiryMs: settings.sessionExpirySeconds * 1000, looks: settings.roles.includes('jobs') },
  )
  const log = platform.makeLog(
    { clock: systemClock, logger, announce: engine.announce },
    {
      queueMax: settings.appendQueueMax,
      queueBytesMax: settings.appendQueueBytesMax,
      batchMax: settings.appendBatchMax,
      gatherMs: settings.appendGatherMs,
      waitMs: settings.appendWaitMs,
    },
  )
  const receipts = makeReceipts(
    {
      engine,
      store: store.receipts,
      conversations: store.conversations,
      attempt: log.attempt,
      clock: systemClock,
      logger,
      ...(peers && { peers }),
    },
    settings,
  )
  const news = makeMembershipNews({
    engine,
    attempt: log.attempt,
    logger,
    ...(peers && { peers }),
  })
  const conversations = makeConversations({
    store: store.conversations,
    announce: news.announce,
    renamed: news.renamed,
    random: randomBytes,
  })
  return {
    engine,
    log,
    releases: makeReleases({ store: store.log, attempt: log.attempt, logger }),
    expiry,
    receipts,
    conversations,
    routes: makeRoutes({ engine, conversations, attempt: log.attempt }),
    health: makeHealth({
      persistence: log.persistence,
      check: () => store.check(),
      everyMs: healthCheckMs,
    }),
  }
}
