// How often something may happen: so many times a second, and so many at once after a pause (a
// token bucket). What it means to be too early is for who asks.

/** `burst` is 1 or more. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** What is left of a burst, and when that was counted. */
export interface Bucket {
  left: number
  at: number
}

/** A bucket from which nothing was taken. */
export function fullBucket({ burst }: Rate, now: number): Bucket {
  return { left: burst, at: now }
}

/** Takes one, if there is one; `now` in ms. */
export function takeOne(bucket: Bucket, rate: Rate, now: number): boolean {
  refill(bucket, rate, now)
  if (bucket.left < 1) return false
  bucket.left--
  return true
}

/** Keeps what happens anyway to a rate: takes one, and returns how long the next must wait, ms; 0
 * for not at all. */
export function takeThenWait(bucket: Bucket, rate: Rate, now: number): number {
  refill(bucket, rate, now)
  bucket.left--
  return bucket.left >= 1 ? 0 : Math.ceil(((1 - bucket.left) * 1000) / rate.perSecond)
}

/** A clock that goes back gives nothing, and takes nothing away. */
function refill(bucket: Bucket, { perSecond, burst }: Rate, now: number): void {
  const elapsedMs = Math.max(0, now - bucket.at)
  bucket.left = Math.min(burst, bucket.left + (elapsedMs * perSecond) / 1000)
  bucket.at = now
}
