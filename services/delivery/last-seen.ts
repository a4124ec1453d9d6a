// When devices were last here, written behind: when they come and go, and now and then while they
// are connected, so that whoever looks for those that stay away (expiry.ts) takes none of them for
// one.

import type { Clock } from '../../protocol/clock.ts'
import type { Logger } from '../../protocol/logger.ts'
import { deviceKey, deviceOfKey } from './locks.ts'
import type { DeviceName, DeviceStore } from './ports.ts'
import { makeWriteBehind } from './write-behind.ts'

export interface LastSeen {
  /** The device is here, or was until now. */
  seen(device: DeviceName): void
  /** Stores that those who are connected are here; false when the store failed. */
  markConnected(): Promise<boolean>
  /** Stops the timers and writes what is left. */
  close(): Promise<void>
}

interface LastSeenParts {
  readonly devices: Pick<DeviceStore, 'saveLastSeen'>
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
/** How often those that are connected are marked, ms. */
const markMsMax = 3_600_000
/** The marks of a connected device may fail so often, less one, before it is taken for absent. */
const marksPerExpiry = 4

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
  const mark = () => {
    for (const device of connected()) changed(deviceKey(device))
  }
  const marking = setInterval(mark, Math.min(markMsMax, expiryMs / marksPerExpiry))
  marking.unref()

  return {
    seen: (device) => changed(deviceKey(device)),
    markConnected() {
      mark()
      return flushAll()
    },
    async close() {
      clearInterval(marking)
      await close()
    },
  }
}
