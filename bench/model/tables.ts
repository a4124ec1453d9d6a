// The tables of docs/scaling.md, printed from the model, and their places in the document.

import { loseBroker } from './failover.ts'
import { figures, inputs } from './inputs.ts'
import { connectMicrosOf, type Sizing, sizeFor } from './sizing.ts'
import { spreadOver } from './spread.ts'

const populations = [10_000, 1_000_000, 100_000_000]

/** The document with its tables as the model has them now. Throws when a place for one is
 * missing. */
export function withTables(document: string): string {
  const tables = {
    sizing: sizingTable(),
    inputs: inputsTable(),
    spread: spreadTable(),
    failover: failoverTable(),
  }
  let text = document
  for (const [name, lines] of Object.entries(tables)) {
    const [begin, end] = [`<!-- ${name}: printed by scripts/print-docs.ts -->`, '<!-- end -->']
    const from = text.indexOf(begin)
    const to = text.indexOf(end, from)
    if (from < 0 || to < 0) throw new Error(`docs/scaling.md has no place for ${name}`)
    text = `${text.slice(0, from)}${begin}\n\n${lines.join('\n')}\n\n${text.slice(to)}`
  }
  return text
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(heads), line(heads.map((_, at) => (at === 0 ? '---' : '---:'))), ...rows.map(line)]
}

const format = (value: number): string => {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(2)))
}

function sizingTable(): string[] {
  const sizings = populations.map((users) => sizeFor(users, figures))
  const row = (name: string, cell: (sizing: Sizing) => string) => [name, ...sizings.map(cell)]
  return table(
    ['users', ...populations.map(format)],
    [
      row('connections, at the peak', ({ connections }) => format(connections)),
      row('messages a second', ({ messages }) => format(messages)),
      row('deliveries a second', ({ deliveries }) => format(deliveries)),
      row('connects a second', ({ connects }) => format(connects)),
      row('other brokers that hear of a message', ({ hearers }) => format(hearers)),
      row('HAProxy', ({ haproxies }) => format(haproxies)),
      row('broker processes, by', ({ brokers, brokersBy }) => `${format(brokers)}, ${brokersBy}`),
      row('busy cores of brokers: messages', ({ messageCores }) => format(messageCores)),
      row('… what is heard', ({ hearCores }) => format(hearCores)),
      row('… connects and catch-up', ({ connectCores }) => format(connectCores)),
      row('memory of brokers, GB', ({ brokerGigabytes }) => format(brokerGigabytes)),
      row('Redis for the bus', ({ busRedis }) => format(busRedis)),
      row('… GB of channels', ({ channelGigabytes }) => format(channelGigabytes)),
      row('Redis for positions', ({ sequencerRedis }) => format(sequencerRedis)),
      row('… GB of counters', ({ counterGigabytes }) => format(counterGigabytes)),
      row('shards of MongoDB, by', ({ shards, shardsBy }) => `${format(shards)}, ${shardsBy}`),
      row('TiB a year', ({ storedTebibytesPerYear: size }) => format(size)),
    ],
  )
}

function inputsTable(): string[] {
  const rows = Object.entries(inputs).map(([name, { value, unit, origin, meaning }]) => [
    `\`${name}\``,
    `${value.toLocaleString('en')} ${unit}`.trim(),
    origin,
    meaning,
  ])
  const [heads = '', , ...lines] = table(['input', 'figure', 'origin', 'meaning'], rows)
  return [heads, '| --- | ---: | --- | --- |', ...lines]
}

const spreadSeeds = 5
const conversations = 20_000

function spreadTable(): string[] {
  const cases = [
    { name: 'all equally busy', skew: 0, giantShare: 0 },
    { name: 'unequal (1/n^0.8)', skew: 0.8, giantShare: 0 },
    { name: 'very unequal (1/n)', skew: 1, giantShare: 0 },
    { name: 'unequal, and a giant of 5 %', skew: 0.8, giantShare: 0.05 },
  ]
  const shards = [2, 8, 32]
  const rows = cases.map(({ name, ...options }) => {
    const runs = shards.map((count) =>
      spreadOver({ conversations, shards: count, ...options }, spreadSeeds),
    )
    const hottest = `${format((runs[0]?.median.hottest ?? 0) * 100)} %`
    const cells = runs.map(({ median, worst }) => {
      return `${median.busiest.toFixed(2)} (${worst.toFixed(2)})`
    })
    return [name, hottest, ...cells]
  })
  const heads = shards.map((count) => `busiest of ${count} / mean`)
  return table(['conversations', 'the busiest has', ...heads], rows)
}

/** How many connections a second a broker can take while it does its usual work. */
function connectRate(): number {
  return Math.floor((1e6 * (1 - figures.brokerLoadMax)) / connectMicrosOf(figures))
}

function failoverTable(): string[] {
  const rate = connectRate()
  const limits = [
    { name: 'the defaults: 1,000/s, burst 5,000', perSecond: 1000, burst: 5000 },
    { name: `what is left of a core: ${rate}/s, burst ${rate}`, perSecond: rate, burst: rate },
  ]
  const rows = limits.flatMap(({ name, perSecond, burst }) =>
    [3, 8, 32].map((brokers) => {
      const lost = loseBroker({ brokers, connections: 10_000, perSecond, burst, seed: 1 })
      return [
        name,
        String(brokers),
        `${format(lost.gainedLeast)}–${format(lost.gainedMost)}`,
        format(lost.inOneSecond),
        format((lost.gainedMost * connectMicrosOf(figures)) / 1e6),
        format(lost.refusedEach),
        `${format(lost.mostBackSeconds)}, ${format(lost.allBackSeconds)}`,
      ]
    }),
  )
  return table(
    [
      'limits of a broker',
      'brokers',
      'each other one gets',
      'in one second',
      's of its core',
      'refusals a client',
      '99 %, all admitted, s',
    ],
    rows,
  )
}
