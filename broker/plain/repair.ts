// What is done when messages of other brokers may have been lost, or what is kept was away: it is
// loaded anew, and the clients here for which something waits are cut, so that they come back to
// their queues. While it is away they are served without.

import type { Logger } from '../../protocol/logger.ts'
import type { PlainClient } from './client.ts'
import type { PlainPersistence } from './ports.ts'
import { knownOf } from './reconcile.ts'

interface RepairParts {
  readonly persistence: PlainPersistence
  readonly present: ReadonlyMap<string, PlainClient>
  readonly logger: Logger
}

/** What is under way has arrived by then, ms; and how long is waited before the next attempt. */
const settleMs = 1000

export function makeRepair({ persistence, present, logger }: RepairParts) {
  const { shared } = persistence
  let timer: NodeJS.Timeout | undefined

  const attempt = async (): Promise<void> => {
    const behind = (await shared?.catchUp()) ?? []
    for (const id of behind) present.get(id)?.link.cut('plain messages may have been missed')
    if (behind.length > 0) logger.info({ clients: behind.length }, 'cut: they missed messages')
  }

  const start = () => {
    if (shared === undefined || timer !== undefined) return
    timer = setTimeout(() => {
      attempt()
        .then(() => {
          timer = undefined
        })
        .catch(() => {
          timer = undefined
          start()
        })
    }, settleMs)
    timer.unref()
  }

  if (shared !== undefined) {
    shared.onBack(start)
    const find = persistence.subscriptionsByClient.bind(persistence)
    persistence.subscriptionsByClient = (client) =>
      find(client).catch((err: unknown) => {
        const plain = present.get(client.id)
        if (plain === undefined) throw err
        return knownOf(plain.introduction)
      })
  }
  return { start, close: () => clearTimeout(timer) }
}
