// The bounds of jobs, the same for every engine, and how long a failed one waits.

const payloadBytesMax = 65_536
export const attemptsMaxDefault = 10
export const crashesMax = 5
export const deadKeptMs = 7 * 86_400_000
/** Of each kind. */
export const deadMax = 1000
/** How long a process that stops waits for what runs, ms. */
export const closeGraceMs = 3000

const retryFirstMs = 1000
const retryMostMs = 3_600_000

/** How long to wait after an attempt failed, ms: about 1 s after the first, twice as long after
 * each further one, up to an hour. What failed together is not tried again together: the wait is
 * between half of that and all of it. `random` gives 0 ≤ x < 1. */
export function retryDelayMs(attempt: number, random: () => number): number {
  const longest = Math.min(retryFirstMs * 2 ** (attempt - 1), retryMostMs)
  return Math.round(longest * (0.5 + random() / 2))
}

/** The payload as JSON; throws a RangeError when it is too large. */
export function encodePayload(payload: unknown): string {
  const text = JSON.stringify(payload)
  if (Buffer.byteLength(text) <= payloadBytesMax) return text
  throw new RangeError(`the payload of a job has more than ${payloadBytesMax} bytes`)
}
