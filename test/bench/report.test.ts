// The report of the load generator, and what is read from it and from the one of mqload.

import t from 'tap'
import { readOptions } from '../../bench/load/options.ts'
import {
  connectedLine,
  drainedLine,
  flowLines,
  idleConnectedLine,
  idleHeldLines,
  queuedLine,
  readLine,
} from '../../bench/load/report.ts'

t.test('the figures of a flow are read back from its report', async (t) => {
  const lines = flowLines({
    seconds: 5,
    acknowledgedPerSecond: 1000,
    deliveredPerSecond: 2000,
    cpuSeconds: 0.5,
    rssKib: 10_240,
    acknowledgement: undefined,
    delivery: { p50: 1.5, p99: 20.25, p999: 30, max: 31 },
    sent: 10,
    acknowledged: 9,
    expected: 20,
    delivered: 17,
    duplicates: 2,
    outOfOrder: 1,
    unreadable: 4,
    dead: 5,
  })
  t.match(Object.assign({}, ...lines.map(readLine)), {
    messages: 1000,
    deliveries: 2000,
    cores: 0.1,
    cpu: 50,
    rss: 10,
    p50: 1.5,
    p99: 20.25,
    'p99.9': 30,
    max: 31,
    expected: 20,
    lost: 3,
    duplicates: 2,
    outOfOrder: 1,
    unreadable: 4,
    dead: 5,
  })
})

t.test('the figures of the other modes are read back from their reports', async (t) => {
  t.same(readLine(connectedLine(100, 0.5)), { clients: 100, connectSeconds: 0.5 })
  t.match(readLine(idleConnectedLine(100, 0.5)), { connections: 100, connects: 200 })
  const [held = '', dead = ''] = idleHeldLines(1024, { before: 1024, after: 13_312 }, 3)
  t.same(readLine(held), { rssBefore: 1, rssAfter: 13, rssEach: 12 })
  t.same(readLine(dead), { dead: 3 })
  t.match(readLine(queuedLine(500, 2, 2048)), { queued: 500, queueing: 250 })
  const drained = { delivered: 90, wanted: 100, seconds: 2, duplicates: 1, outOfOrder: 2 }
  t.match(readLine(drainedLine({ ...drained, rssKib: 2048 })), {
    draining: 45,
    lost: 10,
    duplicates: 1,
    outOfOrder: 2,
    rss: 2,
  })
})

t.test('the lines of mqload are read', async (t) => {
  const lines = [
    'published 35109 acked/s  delivered 35110/s  (over 3.0 s)  broker cpu 0.84 cores = ' +
      '23.9 us a delivery  rss 8.5 MiB',
    'delivery latency p50 13.28 ms  p99 29.84 ms  p99.9 35.36 ms  max 50.78 ms',
    'connected+subscribed 200 in 0.07 s: 3032/s, failed 0 <nil>',
  ]
  t.match(Object.assign({}, ...lines.map(readLine)), {
    messages: 35_109,
    deliveries: 35_110,
    cpu: 23.9,
    p99: 29.84,
    max: 50.78,
    connects: 3032,
    failed: 0,
  })
  t.same(readLine('Usage of mqload:'), {})
})

t.test('flags are read as mqload reads them', async (t) => {
  const options = readOptions(['-mode', 'group', '--dur=1500ms', '-persistent', '-rate', '2000'])
  t.match(options, { mode: 'group', dur: 1500, persistent: true, rate: 2000, qos: 1, warm: 2000 })
  t.throws(() => readOptions(['-nonsense', '1']), /no flag -nonsense/)
  t.throws(() => readOptions(['-n', 'many']), /-n must be a number/)
  t.throws(() => readOptions(['-dur', '5']), /-dur must be like/)
  t.throws(() => readOptions(['-n']), /-n needs a value/)
})
