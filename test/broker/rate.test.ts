// Token buckets: bursts, and the pace after them.

import t from 'tap'
import { fullBucket, takeOne, takeThenWait } from '../../broker/rate.ts'

t.test('a burst may be taken at once, then one at a time', async (t) => {
  const rate = { perSecond: 4, burst: 3 }
  const bucket = fullBucket(rate, 0)
  const at = (now: number) => takeOne(bucket, rate, now)
  t.same([at(0), at(0), at(0), at(0)], [true, true, true, false])
  t.same([at(249), at(250), at(251)], [false, true, false])
  t.same([at(10_000), at(10_000), at(10_000), at(10_000)], [true, true, true, false])
})

t.test('what waits as long as it is told keeps to the rate', async (t) => {
  const rate = { perSecond: 30, burst: 5 }
  const bucket = fullBucket(rate, 0)
  let now = 0
  for (let taken = 0; taken < 305; taken++) now += takeThenWait(bucket, rate, now)
  t.ok(Math.abs(now - 10_000) < 400, `300 more than a burst took ${now} ms`)
})

t.test('a clock that is set back gives nothing, and takes nothing away', async (t) => {
  const rate = { perSecond: 1, burst: 2 }
  const bucket = fullBucket(rate, 1_000_000)
  t.ok(takeOne(bucket, rate, 1_000_000))
  t.ok(takeOne(bucket, rate, 0))
  t.notOk(takeOne(bucket, rate, 0))
  t.ok(takeOne(bucket, rate, 1000))
})
