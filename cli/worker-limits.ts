// What each of several processes on one machine may take of what the settings allow the machine.

import type { Settings } from '../config/schema.ts'

/** Limits on who may come in: clients are dealt to the processes in turn, so each has its part. */
const shared = [
  'connectionsMax',
  'connectionsPerAddressMax',
  'connectsPerAddressPerSecond',
  'connectsPerAddressBurst',
  'connectsPerSecond',
  'connectsBurst',
  'drainClientsPerSecond',
] as const satisfies readonly (keyof Settings)[]

/** The settings of one of `workers` processes: limits on connections divided, rounded up. */
export function shareOf(settings: Settings, workers: number): Settings {
  const parts = shared.map((key) => [key, Math.ceil(settings[key] / workers)])
  return Object.freeze({ ...settings, ...Object.fromEntries(parts) })
}
