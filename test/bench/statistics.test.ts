// Medians, and percentiles from the histogram of latencies, against what sorting gives.

import t from 'tap'
import { count, latenciesOf, makeHistogram, median, sum } from '../../bench/load/statistics.ts'

/** The value of a rank, by sorting, in ms. */
function sorted(values: readonly number[], share: number): number {
  const rank = Math.floor((values.length - 1) * share)
  return ([...values].sort((a, b) => a - b)[rank] ?? Number.NaN) / 1000
}

t.test('the median is the middle one, or the mean of the middle two', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.equal(median([7]), 7)
  t.ok(Number.isNaN(median([])))
})

t.test('percentiles are within 1 % of those found by sorting', async (t) => {
  // Latencies from 1 µs to 100 s, spread over all magnitudes by a fixed sequence.
  const values = Array.from({ length: 20_000 }, (_, index) =>
    Math.round(10 ** (((index * 7919) % 20_000) / 2500)),
  )
  const histogram = makeHistogram()
  for (const value of values) count(histogram, value)
  const found = latenciesOf(histogram)
  for (const [value, share] of [
    [found?.p50, 0.5],
    [found?.p99, 0.99],
    [found?.p999, 0.999],
  ] as const) {
    const wanted = sorted(values, share)
    t.ok(Math.abs((value ?? 0) - wanted) <= wanted * 0.01, `${share}: ${value} for ${wanted}`)
  }
  t.equal(found?.max, Math.max(...values) / 1000)
})

t.test('short latencies are exact, and absurd ones are kept within bounds', async (t) => {
  const histogram = makeHistogram()
  for (const value of [0, 1, 200, 255]) count(histogram, value)
  t.same(latenciesOf(histogram), { p50: 0.001, p99: 0.2, p999: 0.2, max: 0.255 })
  count(histogram, 1e15)
  count(histogram, -5)
  t.equal(latenciesOf(histogram)?.max, (2 ** 31 - 1) / 1000)
  t.equal(latenciesOf(makeHistogram()), undefined)
})

t.test('histograms of threads add up', async (t) => {
  const parts = [makeHistogram(), makeHistogram()] as const
  for (const value of [10, 20, 30]) count(parts[0], value)
  for (const value of [40, 50]) count(parts[1], value)
  t.same(latenciesOf(sum(parts)), { p50: 0.03, p99: 0.04, p999: 0.04, max: 0.05 })
})
