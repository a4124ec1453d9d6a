// When devices were last here, written behind; and the end of those that have not been here for
// long: their subscriptions and cursors go.

import type { Clock } from '../../protocol/clock.ts'
import type { Logger } from '../../protocol/logger.ts'
import { deviceKey, deviceOfKey } from './locks.ts'
import type { DeviceName, DeviceStore } from './ports.ts'
import { makeWriteBehind } from './write-behind.ts'

export interface LastSeen {
  /** The device is here, or was until now. */
  seen(device: DeviceName): void
  /** Sets who hears of devices that stayed away and were forgotten. It may not throw. */
  onExpired(callback: (device: DeviceName) => void): void
  /** The session of a device has ended, and the store has forgotten it. */
  ended(device: DeviceName): void
  /** Looks soon for devices that stayed away, because there is no room for others. */
  hasten(): void
  /** Stops the timers and writes what is left. */
  close(): Promise<void>
}

interface LastSeenParts {
  readonly devices: Pick<DeviceStore, 'saveLastSeen' | 'expire'>
  readonly clock: Clock
  readonly logger: Logger
  /** The durable devices that are connected. */
  readonly connected: () => Iterable<DeviceName>
}

interface LastSeenOptions {
  /** How long the absence of a device is borne, ms. */
  readonly expiryMs: number
}

const flushMs = 5000
/** How often the devices that stay away are looked for, ms; more often when little is borne. */
const expireMsMax = 3_600_000
/** Those that stayed away while the server was down are found soon after its start, ms. */
const firstExpireMs = 60_000
/** How often that may be asked for, ms. */
const hastenMs = 10_000
const expiredAtOnceMax = 1000

export function makeLastSeen(parts: LastSeenParts, { expiryMs }: LastSeenOptions): LastSeen {
  const { devices, clock, logger, connected } = parts
  const { changed, flushAll, close } = makeWriteBehind<string>(
    {
      save: (keys) => devices.saveLastSeen(keys.map(deviceOfKey), clock()),
      logger,
      warning: 'when devices were last seen waits for the store',
    },
    { flushMs },
  )
  let expired: (device: DeviceName) => void = () => {}
  let working: Promise<void> | undefined

  /** Those that are connected are seen first, however long they have been. */
  const expire = async () => {
    for (const device of connected()) changed(deviceKey(device))
    if (!(await flushAll())) return
    let gone: readonly DeviceName[]
    do {
      gone = await devices.expire({ lastSeen: clock() - expiryMs, end: clock() }, expiredAtOnceMax)
      for (const device of gone) expired(device)
      const removed = gone.length
      if (removed > 0) logger.info({ removed }, 'devices that stayed away were forgotten')
    } while (gone.length === expiredAtOnceMax)
  }

  const work = () => {
    working ??= expire()
      .catch((err: unknown) => logger.warn({ err }, 'devices that stay away are not forgotten'))
      .finally(() => {
        working = undefined
      })
  }

  let hastenedAt = Number.NEGATIVE_INFINITY
  const expiring = setInterval(work, Math.min(expireMsMax, expiryMs / 2))
  const first = setTimeout(work, firstExpireMs)
  expiring.unref()
  first.unref()

  return {
    seen: (device) => changed(deviceKey(device)),
    onExpired(callback) {
      expired = callback
    },
    ended: (device) => expired(device),
    hasten() {
      if (clock() < hastenedAt + hastenMs) return
      hastenedAt = clock()
      work()
    },
    async close() {
      clearInterval(expiring)
      clearTimeout(first)
      await working
      await close()
    },
  }
}
