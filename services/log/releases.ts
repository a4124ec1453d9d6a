// Releases of packet ids, written in groups. Who asked is told when its release is durable.

import { StoreFailure } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { Groups } from './groups.ts'
import { makeGroups } from './groups.ts'
import type { Log } from './log.ts'
import type { LogStore, ReleasedPacket } from './ports.ts'

/** A release waiting for its commit. Its owner bounds how many wait. */
export interface ReleaseRequest extends ReleasedPacket {
  /** Called exactly once, in the order of `add`: whether the release is durable. */
  settled(isDurable: boolean): void
}

export interface Releases extends Groups<ReleaseRequest> {
  /** The packet ids a device has taken and not released. */
  readonly outstanding: LogStore['unreleasedPackets']
}

interface ReleasesParts {
  readonly store: Pick<LogStore, 'releasePackets' | 'unreleasedPackets'>
  /** Tries again while the store fails; gives up with `StoreFailure`. */
  readonly attempt: Log['attempt']
  readonly logger: Logger
}

export function makeReleases({ store, attempt, logger }: ReleasesParts): Releases {
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

  const groups = makeGroups<ReleaseRequest>(async (group) => {
    const isDurable = await write(group)
    for (const request of group) request.settled(isDurable)
  })

  return { ...groups, outstanding: (user, device) => store.unreleasedPackets(user, device) }
}
