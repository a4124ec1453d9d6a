// The durable clients of which aedes may hold something, with the next packet id of each: ids go on
// where the last connection left, because messages of it may wait with theirs. When brokers share a
// persistence, that knows them; while it is away, a client is served without what waits for it.

import type { Logger } from '../../protocol/logger.ts'
import type { PlainPersistence } from './ports.ts'

export interface Remembered {
  /** A durable client has come. The packet id it goes on with, 0 if any will do; undefined if
   * nothing is kept of it. */
  arrived(clientId: string): Promise<number | undefined>
  /** It has gone. */
  departed(clientId: string, nextId: number): Promise<void>
  /** A client is back, and its wills of before are void. Whether something is kept of it. */
  returned(clientId: string): Promise<boolean>
  /** Makes the persistence forget a client, if it has it. */
  forget(clientId: string): Promise<void>
  has(clientId: string): boolean
  count(): number
}

/** Of a persistence that is this broker's. */
function makeOwn(persistence: PlainPersistence): Remembered {
  // Costs less than what aedes keeps of them.
  const nextIds = new Map<string, number>()
  return {
    async arrived(clientId) {
      const nextId = nextIds.get(clientId)
      nextIds.set(clientId, nextId ?? 0)
      return nextId
    },
    departed: async (clientId, nextId) => void nextIds.set(clientId, nextId),
    returned: async (clientId) => nextIds.has(clientId),
    async forget(clientId) {
      if (nextIds.delete(clientId)) await persistence.forget(clientId)
    },
    has: (clientId) => nextIds.has(clientId),
    count: () => nextIds.size,
  }
}

/** Of what brokers have in common. Nothing rejects: chat goes on without it. */
function makeShared(
  persistence: PlainPersistence,
  shared: NonNullable<PlainPersistence['shared']>,
  logger: Logger,
): Remembered {
  const present = new Set<string>()
  const orElse =
    <Value>(value: Value) =>
    (err: unknown): Value => {
      logger.debug({ err }, 'what is kept of plain topics is away')
      return value
    }
  const returned = async (clientId: string) => {
    const [isKept] = await Promise.all([shared.isKept(clientId), shared.dropWills(clientId)])
    return isKept
  }
  const forget = async (clientId: string) => {
    if (await shared.isKept(clientId)) await persistence.forget(clientId)
  }
  return {
    arrived(clientId) {
      present.add(clientId)
      return shared.arrived(clientId).catch(orElse(undefined))
    },
    async departed(clientId, nextId) {
      present.delete(clientId)
      await shared.departed(clientId, nextId).catch(orElse(undefined))
    },
    returned: (clientId) => returned(clientId).catch(orElse(false)),
    forget: (clientId) => forget(clientId).catch(orElse(undefined)),
    has: (clientId) => present.has(clientId),
    count: () => present.size,
  }
}

export function makeRemembered(persistence: PlainPersistence, logger: Logger): Remembered {
  const { shared } = persistence
  return shared ? makeShared(persistence, shared, logger) : makeOwn(persistence)
}
