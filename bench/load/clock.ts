// One clock for all threads of the process: monotonic, in whole µs.

/** µs since some moment that is the same for all threads. */
export function microseconds(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1_000_000 + Math.floor(nanoseconds / 1000)
}
