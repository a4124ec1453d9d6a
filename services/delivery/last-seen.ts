// When devices were last here, written behind; and the end of those that have not been here for
// long: their subscriptions and cursors go.

import type { Clock } from '../../protocol/clock.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { DeviceName, DeviceStore } from './ports.ts'

export interface LastSeen {
  /** The device is here, or was until now. */
  seen(device: DeviceName): void
  /** Sets who hears of devices that stayed away and were forgotten. It may not throw. */
  onExpired(callback: (device: DeviceName) => void): void
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

const writeMs = 5000
/** How often the devices that stay away are looked for, ms; more often when little is borne. */
const expireMsMax = 3_600_000
/** Those that stayed away while the server was down are found soon after its start, ms. */
const firstExpireMs = 60_000
const devicesPerWrite = 1000
/** Most devices that wait to be written; one that is forgotten counts as seen earlier. */
const seenMax = 500_000

export function makeLastSeen(parts: LastSeenParts, { expiryMs }: LastSeenOptions): LastSeen {
  const { devices, clock, logger, connected } = parts
  let seen = new Map<string, DeviceName>()
  let expired: (device: DeviceName) => void = () => {}
  let working: Promise<void> | undefined

  const note = (device: DeviceName) => {
    if (seen.size < seenMax) seen.set(`${device.user}/${device.device}`, device)
  }

  const write = async () => {
    const names = [...seen.values()]
    seen = new Map()
    for (let at = 0; at < names.length; at += devicesPerWrite) {
      await devices.saveLastSeen(names.slice(at, at + devicesPerWrite), clock())
    }
  }

  /** Those that are connected are seen first, however long they have been. */
  const expire = async () => {
    for (const device of connected()) note(device)
    await write()
    for (let removed = devicesPerWrite; removed === devicesPerWrite; ) {
      const gone = await devices.expire(clock() - expiryMs, devicesPerWrite)
      for (const device of gone) expired(device)
      removed = gone.length
      if (removed > 0) logger.info({ removed }, 'devices that stayed away were forgotten')
    }
  }

  const work = (task: () => Promise<void>) => {
    working ??= task()
      .catch((err: unknown) => logger.warn({ err }, 'when devices were last seen is not written'))
      .finally(() => {
        working = undefined
      })
  }

  const writing = setInterval(() => seen.size > 0 && work(write), writeMs)
  const expiring = setInterval(() => work(expire), Math.min(expireMsMax, expiryMs / 2))
  const first = setTimeout(() => work(expire), firstExpireMs)
  writing.unref()
  expiring.unref()
  first.unref()

  return {
    seen: note,
    onExpired(callback) {
      expired = callback
    },
    async close() {
      clearInterval(writing)
      clearInterval(expiring)
      clearTimeout(first)
      await working
      work(write)
      await working
    },
  }
}
