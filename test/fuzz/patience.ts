// How long the fuzzer waits: what it asks of a server holds for a machine that is ours; where
// others share it, as much longer as they do.

import { availableParallelism, loadavg } from 'node:os'

/** The time to wait, in ms, for what takes at most `ms` on a machine of our own. */
export function patience(ms: number): number {
  const [load = 0] = loadavg()
  return ms * Math.max(1, load / availableParallelism())
}
