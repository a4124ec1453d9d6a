// The report of the load generator: a few lines for people, in a form that is also read back by
// programs. mqload prints the same ones.

import type { Latencies } from './statistics.ts'

/** What a report says, by name. Rates are per second, latencies in ms. */
export type Figures = Readonly<Record<string, number>>

export interface FlowReport {
  readonly seconds: number
  /** Within the measured time. */
  readonly acknowledgedPerSecond: number
  readonly deliveredPerSecond: number
  readonly cpuSeconds: number
  readonly rssKib: number
  readonly acknowledgement: Latencies | undefined
  readonly delivery: Latencies | undefined
  /** Of the whole run. */
  readonly sent: number
  readonly acknowledged: number
  readonly expected: number
  readonly delivered: number
  readonly duplicates: number
  readonly outOfOrder: number
  readonly unreadable: number
  readonly dead: number
}

const mebibytes = (kib: number): string => (kib / 1024).toFixed(1)

export function connectedLine(clients: number, seconds: number): string {
  return `connected ${clients} clients in ${seconds.toFixed(2)} s`
}

export function flowLines(report: FlowReport): string[] {
  const { seconds, deliveredPerSecond } = report
  const cores = report.cpuSeconds / seconds
  const perDelivery = (1e6 * cores) / deliveredPerSecond
  return [
    `published ${report.acknowledgedPerSecond.toFixed(0)} acked/s  ` +
      `delivered ${deliveredPerSecond.toFixed(0)}/s  (over ${seconds.toFixed(1)} s)  ` +
      `broker cpu ${cores.toFixed(2)} cores = ${perDelivery.toFixed(1)} us a delivery  ` +
      `rss ${mebibytes(report.rssKib)} MiB`,
    `ack latency      ${latencyText(report.acknowledgement)}`,
    `delivery latency ${latencyText(report.delivery)}`,
    `sent ${report.sent} acked ${report.acknowledged} expected ${report.expected} ` +
      `delivered ${report.delivered} lost ${report.expected - report.delivered} ` +
      `dup ${report.duplicates} out-of-order ${report.outOfOrder} ` +
      `unparsed ${report.unreadable} dead-connections ${report.dead}`,
  ]
}

function latencyText(latencies: Latencies | undefined): string {
  if (latencies === undefined) return 'none'
  const { p50, p99, p999, max } = latencies
  const names = { p50, p99, 'p99.9': p999, max }
  return Object.entries(names)
    .map(([name, value]) => `${name} ${value.toFixed(2)} ms`)
    .join('  ')
}

export function idleConnectedLine(connections: number, seconds: number): string {
  const rate = (connections / seconds).toFixed(0)
  return `connected+subscribed ${connections} in ${seconds.toFixed(2)} s: ${rate}/s, failed 0`
}

/** `kib` is the broker's memory before the connections and after them. */
export function idleHeldLines(
  connections: number,
  kib: { readonly before: number; readonly after: number },
  dead: number,
): string[] {
  const each = ((kib.after - kib.before) / connections).toFixed(2)
  return [
    `rss before ${mebibytes(kib.before)} MiB after ${mebibytes(kib.after)} MiB: ` +
      `${each} KiB a connection`,
    `dead after hold: ${dead}`,
  ]
}

export function queuedLine(messages: number, seconds: number, rssKib: number): string {
  const rate = (messages / seconds).toFixed(0)
  return (
    `queued ${messages} messages in ${seconds.toFixed(2)} s: ${rate}/s  ` +
    `rss ${mebibytes(rssKib)} MiB`
  )
}

export interface DrainReport {
  readonly delivered: number
  readonly wanted: number
  readonly seconds: number
  readonly duplicates: number
  readonly outOfOrder: number
  readonly rssKib: number
}

export function drainedLine(report: DrainReport): string {
  const { delivered, wanted, seconds } = report
  return (
    `drained ${delivered} of ${wanted} in ${seconds.toFixed(2)} s: ` +
    `${(delivered / seconds).toFixed(0)}/s  lost ${wanted - delivered} ` +
    `dup ${report.duplicates} out-of-order ${report.outOfOrder}  ` +
    `rss ${mebibytes(report.rssKib)} MiB`
  )
}

/** What each line says: names for the numbers in it, in their order. */
const lineForms: readonly { readonly begin: string; readonly names: readonly string[] }[] = [
  { begin: 'connected ', names: ['clients', 'connectSeconds'] },
  {
    begin: 'published ',
    names: ['messages', 'deliveries', 'seconds', 'cores', 'cpu', 'rss'],
  },
  { begin: 'delivery latency ', names: ['p50', 'p99', 'p99.9', 'max'] },
  {
    begin: 'sent ',
    names: [
      ...['sent', 'acknowledged', 'expected', 'delivered', 'lost'],
      ...['duplicates', 'outOfOrder', 'unreadable', 'dead'],
    ],
  },
  {
    begin: 'connected+subscribed ',
    names: ['connections', 'connectSeconds', 'connects', 'failed'],
  },
  { begin: 'rss before ', names: ['rssBefore', 'rssAfter', 'rssEach'] },
  { begin: 'dead after hold: ', names: ['dead'] },
  { begin: 'queued ', names: ['queued', 'queueSeconds', 'queueing', 'rssQueued'] },
  {
    begin: 'drained ',
    names: [
      ...['delivered', 'expected', 'drainSeconds', 'draining'],
      ...['lost', 'duplicates', 'outOfOrder', 'rss'],
    ],
  },
]

/** The figures of a line; none when it is not a line of a report. */
export function readLine(line: string): Figures {
  const form = lineForms.find(({ begin }) => line.startsWith(begin))
  if (form === undefined) return {}
  const numbers = numbersIn(line.slice(form.begin.length))
  return Object.fromEntries(form.names.map((name, index) => [name, numbers[index] ?? Number.NaN]))
}

/** The numbers of a text. Names such as `p99.9` hold digits that are not counted. */
function numbersIn(text: string): number[] {
  return (
    text
      .replaceAll(/\bp\d+(\.\d+)?\b/g, '')
      .match(/(?<![\w.])(?:-?\d+(?:\.\d+)?(?![\w.]*\w)|[+-]?Inf|NaN)/g)
      ?.map((word) => (/Inf/.test(word) ? Number.POSITIVE_INFINITY : Number(word))) ?? []
  )
}
