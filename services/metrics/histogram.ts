// A histogram of plain numbers: what is observed costs a few comparisons and no allocation, so that
// it may be done for every message. It is read when somebody scrapes.

export class Histogram {
  /** Upper bounds of the buckets, ascending; above the last there is one more. */
  readonly bounds: readonly number[]
  /** How many values fell into each bucket, and into no lower one. */
  readonly counts: Float64Array
  /** Of all values. */
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  /** Counts a value, 0 or more, into the first bucket whose bound is not below it. */
  observe(value: number): void {
    const { bounds } = this
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++
    this.counts[bucket] = (this.counts[bucket] as number) + 1
    this.sum += value
  }
}
