// The end of devices that have not been here for long: their subscriptions and cursors go. One
// process of all looks for them at a time.

import type { Clock } from '../../protocol/clock.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { JobQueue } from '../jobs/ports.ts'
import type { Repeated } from '../jobs/repeat.ts'
import { hastenRepeat, startRepeat } from '../jobs/repeat.ts'
import type { DeviceName, DeviceStore } from './ports.ts'

interface ExpiryParts {
  readonly jobs: Pick<JobQueue, 'add' | 'handle'>
  readonly devices: Pick<DeviceStore, 'expire'>
  /** Stores that those who are connected to this process are here; false when that failed. */
  readonly markConnected: () => Promise<boolean>
  /** Hears of devices that stayed away and were forgotten; also for all other processes. */
  readonly expired: (devices: readonly DeviceName[]) => void
  readonly clock: Clock
  readonly logger: Logger
}

interface ExpiryOptions {
  /** How long the absence of a device is borne, ms. */
  readonly expiryMs: number
  /** Whether this process looks for devices; any may ask for it. */
  readonly looks: boolean
}

interface Expiry {
  /** Has somebody look soon for devices that stayed away, because there is no room for others. */
  hasten(): void
  close(): Promise<void>
}

const kind = 'expire-devices'
/** How often the devices that stay away are looked for, ms; more often when little is borne. */
const everyMsMax = 3_600_000
/** Devices have so long to come back when everything was down, ms. */
const firstMs = 60_000
/** How often `hasten` is heard, ms. */
const hastenMs = 10_000
const expiredAtOnceMax = 1000
const timeoutMs = 600_000

export function startExpiry(parts: ExpiryParts, { expiryMs, looks }: ExpiryOptions): Expiry {
  const { jobs, devices, markConnected, expired, clock, logger } = parts

  const expire = async (signal: AbortSignal) => {
    if (!(await markConnected())) return
    for (let gone = expiredAtOnceMax; gone === expiredAtOnceMax && !signal.aborted; ) {
      const before = { lastSeen: clock() - expiryMs, end: clock() }
      const names = await devices.expire(before, expiredAtOnceMax)
      gone = names.length
      if (gone === 0) return
      expired(names)
      logger.info({ removed: gone }, 'devices that stayed away were forgotten')
    }
  }

  let repeated: Repeated | undefined
  const start = () => {
    const everyMs = Math.min(everyMsMax, expiryMs / 2)
    repeated ??= startRepeat({ jobs, clock, logger }, { kind, everyMs, timeoutMs }, expire)
  }
  const first = looks ? setTimeout(start, firstMs) : undefined
  first?.unref()

  let hastenedAt = Number.NEGATIVE_INFINITY
  return {
    hasten() {
      if (clock() < hastenedAt + hastenMs) return
      hastenedAt = clock()
      if (looks) start()
      hastenRepeat({ jobs, clock, logger }, kind)
    },
    async close() {
      clearTimeout(first)
      await repeated?.close()
    },
  }
}
