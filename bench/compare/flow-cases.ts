// The cases in which messages flow all the time: pairs, groups, a trickle, and a group of many
// members of whom few are there.

import { type Bench, type Case, type Column, ratio, value, type Wanted } from './case.ts'

const clusters = ['parley-cluster', 'parley-cluster-2']
const everybody = ['parley', ...clusters, 'aedes', 'aedes-redis', 'mosquitto']

const columns: readonly Column[] = [
  { title: 'messages/s', figure: 'messages', digits: 0 },
  { title: 'deliveries/s', figure: 'deliveries', digits: 0 },
  { title: 'CPU µs/delivery', figure: 'cpu', digits: 1 },
  { title: 'of it the brokers', figure: 'cpuBrokers', digits: 1 },
  { title: 'Redis', figure: 'cpu:redis-server', digits: 1 },
  { title: 'MongoDB', figure: 'cpu:mongod', digits: 1 },
  { title: 'p50 ms', figure: 'p50', digits: 2 },
  { title: 'p99 ms', figure: 'p99', digits: 2 },
  { title: 'lost', figure: 'lost', digits: 0 },
  { title: 'twice', figure: 'duplicates', digits: 0 },
  { title: 'out of order', figure: 'outOfOrder', digits: 0 },
  { title: 'RSS MiB', figure: 'rss', digits: 0 },
  { title: 'generator cores', figure: 'generatorCores', digits: 2 },
]

/** The broker alone, of a cluster of one broker and of aedes with Redis, which stores nothing. */
function clusterRatio(text: string): Wanted {
  return ratio(text, 'cpuBrokers', 'aedes-redis', { atMost: 0.6 }, 'parley-cluster')
}

/** The names `<prefix>0` … */
export function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`)
}

/** Flags of the time a flow takes. */
export function times({ seconds, warmSeconds }: Bench): string[] {
  return ['-dur', `${seconds}s`, '-warm', `${warmSeconds}s`]
}

export const pairs: Case = {
  name: 'pairs',
  title: '50 pairs, closed loop, 10 in flight',
  contenders: everybody,
  population: { users: [...names('s', 50), ...names('r', 50)], groups: [] },
  columns,
  wanted: [
    ratio('CPU per message / bare aedes in memory', 'cpu', 'aedes', { atMost: 1.1 }),
    ratio('CPU per message / aedes with Redis', 'cpu', 'aedes-redis', { atMost: 0.4 }),
    ratio('CPU per message / Mosquitto', 'cpu', 'mosquitto', { atMost: 1 }),
    ratio('moonshot: CPU per message / Mosquitto', 'cpu', 'mosquitto', { atMost: 0.7 }),
    clusterRatio('cluster: CPU of the broker per message / that of aedes with Redis'),
  ],
  run: (bench) => bench.load(['-mode', 'pair', '-n', '50', ...times(bench)]),
}

const groupMembers = names('', 10).map((i) => names(`m${i}-`, 100))

export const groups: Case = {
  name: 'groups',
  title: '10 groups of 100',
  contenders: everybody,
  population: {
    users: [...names('s', 10), ...groupMembers.flat()],
    groups: groupMembers.map((members, i) => ({ id: `g${i}`, members: [`s${i}`, ...members] })),
  },
  columns,
  wanted: [
    ratio('CPU per delivery / bare aedes in memory', 'cpu', 'aedes', { atMost: 0.4 }),
    ratio('CPU per delivery / Mosquitto', 'cpu', 'mosquitto', { atMost: 0.4 }),
    ratio('moonshot: CPU per delivery / Mosquitto', 'cpu', 'mosquitto', { atMost: 0.25 }),
    clusterRatio('cluster: CPU of the broker per delivery / that of aedes with Redis'),
  ],
  run: (bench) =>
    bench.load([
      ...['-mode', 'group', '-groups', '10', '-members', '100', '-pub', 'g/g{i}/msg'],
      ...['-sub', bench.contender.groupFilter, ...times(bench)],
    ]),
}

export const trickle: Case = {
  name: 'trickle',
  title: '500 pairs, open loop, 2,000 messages/s',
  contenders: everybody,
  population: { users: [...names('s', 500), ...names('r', 500)], groups: [] },
  columns,
  wanted: [
    ratio('CPU per message / bare aedes in memory', 'cpu', 'aedes', { atMost: 1 }),
    value('p99 delivery, ms', 'p99', { atMost: 15 }),
    value('lost', 'lost', { atMost: 0 }),
    value('delivered twice', 'duplicates', { atMost: 0 }),
    value('out of order', 'outOfOrder', { atMost: 0 }),
  ],
  async run(bench) {
    const words = ['-mode', 'pair', '-n', '500', '-rate', '2000']
    // The first message of a pair makes their conversation: 500 of them are a start, not a trickle.
    await bench.load([...words, '-warm', '0s', '-dur', `${bench.warmSeconds}s`])
    return bench.load([...words, ...times(bench)])
  },
}

export const crossing: Case = {
  name: 'crossing',
  title: '501 pairs, open loop, 2,000 messages/s; with two brokers each pair is at both',
  contenders: [...clusters, 'aedes-redis'],
  // An odd number: the load spreads its clients over the brokers in turn, senders first.
  population: { users: [...names('s', 501), ...names('r', 501)], groups: [] },
  columns,
  wanted: [
    clusterRatio('CPU of the broker per message / that of aedes with Redis'),
    value('p99 delivery with two brokers, ms', 'p99', { atMost: 25 }, 'parley-cluster-2'),
    value('lost', 'lost', { atMost: 0 }, 'parley-cluster-2'),
    value('delivered twice', 'duplicates', { atMost: 0 }, 'parley-cluster-2'),
    value('out of order', 'outOfOrder', { atMost: 0 }, 'parley-cluster-2'),
  ],
  async run(bench) {
    const words = ['-mode', 'pair', '-n', '501', '-rate', '2000']
    await bench.load([...words, '-warm', '0s', '-dur', `${bench.warmSeconds}s`])
    return bench.load([...words, ...times(bench)])
  },
}

const connected = names('x', 10)
const absent = names('y', 9989)

export const largeGroup: Case = {
  name: 'large-group',
  title: '1 group of 10,000 members of whom 10 are connected, and a group of 10',
  contenders: ['parley'],
  population: {
    users: ['s0', ...connected],
    groups: [
      { id: 'large', members: ['s0', ...connected, ...absent] },
      { id: 'small', members: ['s0', ...connected] },
    ],
  },
  columns: [
    { title: 'messages/s, of 10,000', figure: 'messages', digits: 0 },
    { title: 'of 10', figure: 'messagesSmall', digits: 0 },
    { title: 'CPU µs/message, of 10,000', figure: 'cpuMessage', digits: 1 },
    { title: 'of 10', figure: 'cpuMessageSmall', digits: 1 },
    { title: 'lost', figure: 'lost', digits: 0 },
  ],
  wanted: [value('cost per message / that of a group of 10', 'ratio', { atMost: 1.2 })],
  async run(bench) {
    const load = (group: string, time = times(bench)) =>
      bench.load([
        ...['-mode', 'group', '-groups', '1', '-members', String(connected.length)],
        ...['-pub', `g/${group}/msg`, '-sub', `g/${group}/msg`, ...time],
      ])
    // A server that has just started has its code to compile still.
    await load('small', ['-warm', '0s', '-dur', `${bench.warmSeconds}s`])
    // In turns, so that what one leaves behind does not always fall to the other.
    const order = bench.round % 2 === 0 ? ['large', 'small'] : ['small', 'large']
    const found = new Map<string, Awaited<ReturnType<typeof load>>>()
    for (const group of order) found.set(group, await load(group))
    const figure = (group: string, name: string): number => found.get(group)?.[name] ?? Number.NaN
    const cost = (group: string) => figure(group, 'cpu') * connected.length
    return {
      messages: figure('large', 'messages'),
      messagesSmall: figure('small', 'messages'),
      cpuMessage: cost('large'),
      cpuMessageSmall: cost('small'),
      ratio: cost('large') / cost('small'),
      lost: figure('large', 'lost') + figure('small', 'lost'),
    }
  },
}
