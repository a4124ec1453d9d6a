// Log lines about what strangers do: one a minute of each kind, with how many there were. Whoever
// knocks all day should not fill the disk.

import type { Clock } from '../../protocol/clock.ts'
import type { Logger } from '../../protocol/logger.ts'

const everyMs = 60_000

/** Makes a function that writes a warning, unless it wrote one within the last minute; `times` says
 * how many there were since. */
export function makeComplaint(
  { logger, clock }: { readonly logger: Logger; readonly clock: Clock },
  message: string,
): (context: { readonly peer: string; readonly reason: string }) => void {
  let times = 0
  let quietUntil = 0
  return (context) => {
    times++
    const now = clock()
    if (now < quietUntil) return
    quietUntil = now + everyMs
    logger.warn({ ...context, times }, message)
    times = 0
  }
}
