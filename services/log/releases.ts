// Releases of packet ids, written in groups: while one group is being written the next gathers, so
// that the wait for the disk is shared. Who asked is told when its release is durable.

import { StoreFailure } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { Log } from './log.ts'
import type { LogStore, ReleasedPacket } from './ports.ts'

/** A release waiting for its commit. Its owner bounds how many wait. */
export interface ReleaseRequest extends ReleasedPacket {
  /** Called exactly once, in the order of `add`: whether the release is durable. */
  settled(isDurable: boolean): void
}

export interface Releases {
  add(request: ReleaseRequest): void
  /** The packet ids a device has taken and not released. */
  readonly outstanding: LogStore['unreleasedPackets']
  /** Resolves when all that was added is settled. */
  drained(): Promise<void>
}

interface ReleasesParts {
  readonly store: Pick<LogStore, 'releasePackets' | 'unreleasedPackets'>
  /** Tries again while the store fails; gives up with `StoreFailure`. */
  readonly attempt: Log['attempt']
  readonly logger: Logger
}

/** Most releases of one transaction. */
const groupMax = 1000

export function makeReleases({ store, attempt, logger }: ReleasesParts): Releases {
  const waiting: ReleaseRequest[] = []
  let running: Promise<void> | undefined

  const write = async (group: readonly ReleaseRequest[]): Promise<boolean> => {
    // Copies: what the requests have besides does not travel to the store's thread.
    const packets = group.map(({ user, device, packetId }) => ({ user, device, packetId }))
    try {
      await attempt(() => store.releasePackets(packets))
      return true
    } catch (err) {
      if (!(err instanceof StoreFailure)) logger.error({ err }, 'cannot release packet ids')
      return false
    }
  }

  const run = async () => {
    while (waiting.length > 0) {
      const group = waiting.splice(0, groupMax)
      const isDurable = await write(group)
      for (const request of group) request.settled(isDurable)
    }
    running = undefined
  }

  return {
    add(request) {
      waiting.push(request)
      // In the next turn: the other sockets of this one bring the rest of the group.
      running ??= nextTurn().then(run)
    },
    outstanding: (user, device) => store.unreleasedPackets(user, device),
    drained: () => running ?? Promise.resolve(),
  }
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))
