// Whichever process is scraped, it answers for all.

import { EventEmitter } from 'node:events'
import t from 'tap'
import { makeMetricsHub, shareMetrics } from '../../cli/worker-metrics.ts'
import type { WorkerProcess } from '../../cli/workers.ts'
import { makeExposition } from '../../plugins/metrics/exposition.ts'
import { sumMetrics } from '../../plugins/metrics/sum.ts'
import { Histogram } from '../../services/metrics/histogram.ts'

/** Workers and the process that started them, in one process: what is sent arrives as JSON. */
function setUp() {
  const crew: WorkerProcess[] = []
  const hub = makeMetricsHub({ workers: () => crew, sum: sumMetrics })
  const add = (accepted: number, { isMute = false, isWorking = 1 } = {}) => {
    const commits = new Histogram([1, 10])
    commits.observe(accepted)
    const own = makeExposition(() => ({
      parley_connects_accepted_total: accepted,
      parley_plain_clients: 2,
      parley_workers: 1,
      parley_store_working: isWorking,
      parley_append_batch_messages: commits,
      parley_publishes_refused_total: [{ labels: { code: 'not-a-member' }, value: accepted }],
    }))
    const here = new EventEmitter()
    const there = Object.assign(new EventEmitter(), {
      connected: true,
      send: (message: object) => here.emit('message', JSON.parse(JSON.stringify(message))),
    }) as unknown as WorkerProcess
    const channel = {
      on: here.on.bind(here),
      send(message: object) {
        if (isMute && 'type' in message && message.type === 'gathered') return
        setImmediate(() => hub.heard(there, JSON.parse(JSON.stringify(message))))
      },
    }
    crew.push(there)
    const end = () => {
      crew.splice(crew.indexOf(there), 1)
      hub.ended(there)
    }
    return { exposition: shareMetrics(own, channel), end }
  }
  return add
}

t.test('a scrape is the sum over the processes', async (t) => {
  const add = setUp()
  const first = add(3)
  add(20, { isWorking: 0 })
  const text = await first.exposition.text()
  for (const line of [
    'parley_connects_accepted_total 23',
    'parley_plain_clients 4',
    'parley_workers 2',
    'parley_store_working 0',
    'parley_publishes_refused_total{code="not-a-member"} 23',
    'parley_append_batch_messages_bucket{le="1"} 0',
    'parley_append_batch_messages_bucket{le="10"} 1',
    'parley_append_batch_messages_bucket{le="+Inf"} 2',
    'parley_append_batch_messages_sum 23',
    'parley_append_batch_messages_count 2',
  ]) {
    t.ok(text.split('\n').includes(line), line)
  }
  t.match(text, /^process_cpu_seconds_total \d/m)
  t.match(text, /^# TYPE parley_connects_accepted_total counter$/m)
})

t.test('what a process counted stays in the sum when it has ended', async (t) => {
  const add = setUp()
  const [first, second] = [add(3), add(4)]
  await first.exposition.text()
  second.end()
  add(5).exposition
  const text = await first.exposition.text()
  t.match(text, /^parley_connects_accepted_total 12$/m)
  t.match(text, /^parley_plain_clients 4$/m)
  t.match(text, /^parley_workers 2$/m)
})

t.test('one that does not answer delays a scrape, and does not prevent it', async (t) => {
  const add = setUp()
  const first = add(3)
  add(4, { isMute: true })
  const startedAt = Date.now()
  t.match(await first.exposition.text(), /^parley_connects_accepted_total 3$/m)
  t.ok(Date.now() - startedAt < 4500)
})
