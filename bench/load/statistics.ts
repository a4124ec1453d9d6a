// Numbers about numbers: medians of rounds, and a histogram of latencies that stays small however
// many it counts and can be added to another thread's.

/** Buckets of one octave: a value is known to 0.8 %. */
const bucketsPerOctave = 128
/** Longest latency told apart, µs: 35 minutes. */
const microsecondsMax = 2 ** 31 - 1
const bucketCount = bucketOf(microsecondsMax) + 1

/** Latencies by bucket. Plain data, so that it travels between threads. */
export interface Histogram {
  readonly counts: Float64Array
  /** Largest latency, µs. */
  largest: number
}

/** What is said of a set of latencies, in ms. */
export interface Latencies {
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export function makeHistogram(): Histogram {
  return { counts: new Float64Array(bucketCount), largest: 0 }
}

/** Counts a latency in µs; a negative one counts as 0. */
export function count(histogram: Histogram, microseconds: number): void {
  const value = Math.min(Math.max(Math.round(microseconds), 0), microsecondsMax)
  const bucket = bucketOf(value)
  histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1
  if (value > histogram.largest) histogram.largest = value
}

/** All latencies of some histograms in one. */
export function sum(histograms: readonly Histogram[]): Histogram {
  const total = makeHistogram()
  for (const { counts, largest } of histograms) {
    for (const [bucket, number] of counts.entries()) {
      if (number > 0) total.counts[bucket] = (total.counts[bucket] ?? 0) + number
    }
    total.largest = Math.max(total.largest, largest)
  }
  return total
}

/** The usual percentiles; undefined when nothing was counted. */
export function latenciesOf(histogram: Histogram): Latencies | undefined {
  const total = histogram.counts.reduce((a, b) => a + b, 0)
  if (total === 0) return undefined
  const at = (share: number) => percentile(histogram, Math.floor((total - 1) * share)) / 1000
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: histogram.largest / 1000 }
}

/** The middle one of some numbers, or the mean of the middle two; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const [low, high] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]]
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2
}

/** The latency of a rank, counted from 0, µs. */
function percentile({ counts, largest }: Histogram, rank: number): number {
  let before = 0
  for (const [bucket, number] of counts.entries()) {
    before += number
    if (before > rank) return Math.min(middleOf(bucket), largest)
  }
  return largest
}

/** Linear up to two octaves' worth of buckets, then as many buckets for each doubling. */
function bucketOf(value: number): number {
  const octave = Math.max(0, 31 - Math.clz32(value) - Math.log2(bucketsPerOctave))
  return octave * bucketsPerOctave + (value >>> octave)
}

function middleOf(bucket: number): number {
  const octave = Math.max(0, Math.floor(bucket / bucketsPerOctave) - 1)
  const size = 2 ** octave
  return (bucket - octave * bucketsPerOctave) * size + (size - 1) / 2
}
