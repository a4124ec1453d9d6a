// Where the clients of a broker go that has died.

import t from 'tap'
import { loseBroker } from '../../../bench/model/failover.ts'

const wide = { brokers: 5, connections: 1000, perSecond: 10_000, burst: 10_000, seed: 1 }

t.test('each survivor gets its part, within a second when nothing holds them up', async (t) => {
  t.match(loseBroker(wide), { gainedLeast: 250, gainedMost: 250, refusedEach: 0 })
  t.ok(loseBroker(wide).allBackSeconds <= 1)
  const uneven = loseBroker({ ...wide, connections: 1001 })
  t.same([uneven.gainedLeast, uneven.gainedMost], [250, 251])
})

t.test('a survivor admits no more than its limits allow', async (t) => {
  const perSecond = 50
  const slow = loseBroker({ ...wide, brokers: 2, perSecond, burst: 100 })
  t.equal(slow.gainedMost, 1000)
  t.ok(slow.inOneSecond <= 100 + perSecond, `${slow.inOneSecond}`)
  t.ok(slow.inOneSecond >= 100, 'the burst is used')
  t.ok(slow.allBackSeconds >= (1000 - 100) / perSecond, `${slow.allBackSeconds}`)
  t.ok(slow.refusedEach > 0)
  t.ok(slow.mostBackSeconds < slow.allBackSeconds)
})

t.test('a seed gives the same again', async (t) => {
  const slow = { ...wide, perSecond: 20, burst: 20 }
  t.same(loseBroker(slow), loseBroker(slow))
  t.not(loseBroker(slow).refusedEach, loseBroker({ ...slow, seed: 2 }).refusedEach)
})
