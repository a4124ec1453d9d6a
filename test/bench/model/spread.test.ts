// How conversations spread over shards.

import t from 'tap'
import { spread } from '../../../bench/model/spread.ts'

const even = { conversations: 10_000, shards: 8, skew: 0, giantShare: 0, seed: 'a' }

t.test('many that are alike spread evenly', async (t) => {
  const { busiest, hottest } = spread(even)
  t.ok(busiest >= 1 && busiest < 1.15, `${busiest}`)
  t.ok(Math.abs(hottest - 1 / 10_000) < 1e-9)
})

t.test('a giant is on one shard, whatever their number', async (t) => {
  for (const shards of [2, 8, 32]) {
    const { busiest, hottest } = spread({ ...even, shards, giantShare: 0.5 })
    t.ok(hottest > 0.5)
    t.ok(busiest > shards * 0.5, `${busiest} of ${shards}`)
  }
})

t.test('a seed gives the same again, another one something else', async (t) => {
  t.same(spread(even), spread(even))
  t.not(spread(even).busiest, spread({ ...even, seed: 'b' }).busiest)
})
