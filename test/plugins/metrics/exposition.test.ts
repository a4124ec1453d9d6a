// The metrics as text, for Prometheus.

import t from 'tap'
import { makeExposition } from '../../../plugins/metrics/exposition.ts'
import { metricCatalogue } from '../../../services/metrics/catalogue.ts'
import { Histogram } from '../../../services/metrics/histogram.ts'

const linesOf = (text: string, name: string) =>
  text.split('\n').filter((line) => line.startsWith(name) || line.startsWith(`# TYPE ${name} `))

t.test('a value is a line, with its labels and what it is', async (t) => {
  const { contentType, text } = makeExposition(() => ({
    parley_connects_accepted_total: 3,
    parley_connections: [
      { labels: { transport: 'tcp', state: 'open' }, value: 2 },
      { labels: { transport: 'websocket', state: 'open' }, value: 1 },
    ],
  }))
  t.match(contentType, /^text\/plain; version=0\.0\.4/)
  const lines = await text()
  t.same(linesOf(lines, 'parley_connects_accepted_total'), [
    '# TYPE parley_connects_accepted_total counter',
    'parley_connects_accepted_total 3',
  ])
  t.same(linesOf(lines, 'parley_connections'), [
    '# TYPE parley_connections gauge',
    'parley_connections{transport="tcp",state="open"} 2',
    'parley_connections{transport="websocket",state="open"} 1',
  ])
})

t.test('each bucket of a histogram counts those below it too, in seconds', async (t) => {
  const commits = new Histogram([1, 5, 20])
  for (const ms of [0, 1, 4, 20, 21, 1000]) commits.observe(ms)
  const { text } = makeExposition(() => ({ parley_append_commit_seconds: commits }))
  t.same(linesOf(await text(), 'parley_append_commit_seconds'), [
    '# TYPE parley_append_commit_seconds histogram',
    'parley_append_commit_seconds_bucket{le="0.001"} 2',
    'parley_append_commit_seconds_bucket{le="0.005"} 3',
    'parley_append_commit_seconds_bucket{le="0.02"} 4',
    'parley_append_commit_seconds_bucket{le="+Inf"} 6',
    'parley_append_commit_seconds_sum 1.046',
    'parley_append_commit_seconds_count 6',
  ])
})

t.test(
  'values are read anew at each scrape, and those of the process come with them',
  async (t) => {
    let accepted = 0
    const { text } = makeExposition(() => ({ parley_connects_accepted_total: ++accepted }))
    t.match(await text(), /^parley_connects_accepted_total 1$/m)
    const second = await text()
    t.match(second, /^parley_connects_accepted_total 2$/m)
    for (const name of ['process_cpu_seconds_total', 'nodejs_eventloop_lag_p99_seconds']) {
      t.match(second, new RegExp(`^${name} [0-9]`, 'm'))
    }
  },
)

t.test('names say their unit, and a counter that it is one', async (t) => {
  for (const [name, { kind, help }] of Object.entries(metricCatalogue)) {
    t.match(name, /^parley_[a-z_]+$/)
    t.equal(name.endsWith('_total'), kind === 'counter', name)
    if (kind === 'histogram') t.match(name, /_(seconds|messages)$/)
    t.match(help, /\.$/)
  }
})
