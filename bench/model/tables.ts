// The tables of docs/scaling.md, printed from the model, and their places in the document.

import { figures, inputs } from './inputs.ts'
import { type Sizing, sizeFor } from './sizing.ts'
import { spreadOver } from './spread.ts'

const populations = [10_000, 1_000_000, 100_000_000]

/** The document with its tables as the model has them now. Throws when a place for one is
 * missing. */
export function withTables(document: string): string {
  const tables = { sizing: sizingTable(), inputs: inputsTable(), spread: spreadTable() }
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
      row('Redis for the bus', ({ busRedis }) => format(busRedis)),
      row('Redis for positions', ({ sequencerRedis }) => format(sequencerRedis)),
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
