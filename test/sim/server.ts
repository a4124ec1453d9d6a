// One process of the server in a history: the real broker, engine, log, routes and conversations,
// wired as the composition root does it, over simulated edges.

import type { Broker } from '../../broker/broker.ts'
import { makeBroker } from '../../broker/broker.ts'
import type { BrokerLimits } from '../../broker/context.ts'
import { makePlainPersistence } from '../../plugins/aedes-persistence/memory.ts'
import type { Entry } from '../../protocol/entry.ts'
import { Refusal } from '../../protocol/errors.ts'
import { noGrants } from '../../protocol/grants.ts'
import type { Logger } from '../../protocol/logger.ts'
import { makePlainAccess } from '../../services/access/plain-topics.ts'
import { makeRoutes } from '../../services/access/routes.ts'
import type { Conversations, MembershipChange } from '../../services/conversations/conversations.ts'
import { makeConversations } from '../../services/conversations/conversations.ts'
import type { EngineOptions } from '../../services/delivery/engine.ts'
import { makeEngine } from '../../services/delivery/engine.ts'
import { makeFollow } from '../../services/delivery/follow.ts'
import type { LogOptions } from '../../services/log/log.ts'
import { makeLog } from '../../services/log/log.ts'
import { makeReleases } from '../../services/log/releases.ts'
import { noReceipts } from '../support/no-receipts.ts'
import type { StoreClient } from './store.ts'

const queueLimits = { messagesMax: 100, bytesMax: 100_000, bytesInAllMax: 10_000_000 }

export interface ServerOptions {
  readonly engine: EngineOptions
  readonly log: LogOptions
  readonly limits: BrokerLimits
}

export interface ServerParts {
  readonly store: StoreClient
  readonly clock: () => number
  /** Stands between the log and the engine: calls `deliver` now, later, twice or never. */
  readonly announce: (entry: Entry, deliver: (entry: Entry) => void) => void
  /** A membership change that connected devices will hear of only when they reconnect. */
  readonly unheard: (change: MembershipChange) => void
  /** Something went wrong that never should, whatever the store does. */
  readonly broken: (what: string) => void
}

export interface Server {
  readonly reception: Broker['reception']
  readonly conversations: Conversations
  /** Stops in the order of the composition root. */
  close(): Promise<void>
}

const drainMs = 1000

export async function startServer(parts: ServerParts, options: ServerOptions): Promise<Server> {
  const { store, clock } = parts
  const { ports } = store
  const logger = makeLogger(parts.broken)
  const engine = makeEngine(
    { devices: ports, conversations: ports, log: ports, logger, clock },
    options.engine,
  )
  const announce = (entry: Entry) => parts.announce(entry, engine.announce)
  const log = makeLog({ store: ports, clock, logger, announce }, options.log)
  const follow = makeFollow({ membershipChanged: engine.membershipChanged, attempt: log.attempt })
  const conversations = makeConversations({
    store: ports,
    announce: (change) => void follow(change).catch(() => parts.unheard(change)),
    renamed: engine.renamed,
    random: (bytes) => Buffer.alloc(bytes),
  })
  const broker = await makeBroker({
    engine,
    log,
    releases: makeReleases({ store: ports, attempt: log.attempt, logger }),
    routes: makeRoutes({ engine, conversations, attempt: log.attempt }),
    receipts: noReceipts,
    identify: async (user) => {
      if (await ports.userExists(user)) {
        return { user, expiresAt: Number.POSITIVE_INFINITY, topics: noGrants }
      }
      throw new Refusal('not-authorized')
    },
    certify: () => Promise.reject(new Refusal('not-authorized')),
    logger,
    clock,
    limits: options.limits,
    randomId: () => 'random',
    random: () => 0,
    isTrusted: false,
    plainAccess: makePlainAccess([]),
    plainPersistence: makePlainPersistence(
      { ...queueLimits, retainedMax: 100, retainedBytesMax: 100_000 },
      logger,
    ),
  })
  return {
    reception: broker.reception,
    conversations,
    async close() {
      await broker.close(drainMs)
      await engine.close()
    },
  }
}

/** Trouble with the store is expected; any other error of the server is a bug. */
function makeLogger(broken: (what: string) => void): Logger {
  return {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error(details, message) {
      const { err } = details as { readonly err?: unknown }
      if (err !== undefined) broken(`${message}: ${err instanceof Error ? err.stack : err}`)
    },
  }
}
