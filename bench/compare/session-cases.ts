// The cases about sessions: receivers that are away, that are idle, that have stopped reading.

import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { type Bench, type Case, ratio, value } from './case.ts'
import { names, times } from './flow-cases.ts'

export const away: Case = {
  name: 'away',
  title: '100 receivers away, 200 messages each',
  contenders: ['parley', 'aedes', 'aedes-redis', 'mosquitto'],
  population: { users: [...names('s', 100), ...names('r', 100)], groups: [] },
  columns: [
    { title: 'queued/s', figure: 'queueing', digits: 0 },
    { title: 'drained/s', figure: 'draining', digits: 0 },
    { title: 'CPU µs/message drained', figure: 'drainCpu', digits: 1 },
    { title: 'lost', figure: 'lost', digits: 0 },
    { title: 'twice', figure: 'duplicates', digits: 0 },
    { title: 'out of order', figure: 'outOfOrder', digits: 0 },
    { title: 'RSS MiB', figure: 'rss', digits: 0 },
  ],
  wanted: [
    ratio('queueing / bare aedes in memory', 'queueing', 'aedes', { atLeast: 1 }),
    ratio('drain / bare aedes in memory', 'draining', 'aedes', { atLeast: 3 }),
    value('lost', 'lost', { atMost: 0 }),
    value('out of order', 'outOfOrder', { atMost: 0 }),
  ],
  async run(bench) {
    // A server that has just started has its code to compile still.
    await bench.load(['-mode', 'pair', '-n', '100', '-warm', '0s', '-dur', `${bench.warmSeconds}s`])
    return bench.load(['-mode', 'offline', '-n', '100', '-count', '200'])
  },
}

const idleSessions = 10_000
const firstSessions = 200

export const idle: Case = {
  name: 'idle',
  title: '10,000 idle durable sessions',
  contenders: ['parley', 'aedes', 'mosquitto'],
  population: { users: names('d', idleSessions), groups: [] },
  columns: [
    { title: 'RSS KiB each', figure: 'rssEach', digits: 2 },
    { title: 'RSS before, MiB', figure: 'rssBefore', digits: 0 },
    { title: 'RSS after', figure: 'rssAfter', digits: 0 },
    { title: 'connects/s', figure: 'connects', digits: 0 },
    { title: 'CPU µs/connect', figure: 'connectCpu', digits: 0 },
    { title: 'died', figure: 'dead', digits: 0 },
  ],
  wanted: [
    value('RSS of each, KiB', 'rssEach', { atMost: 12 }),
    ratio('connects with JWT / bare aedes without', 'connects', 'aedes', { atLeast: 0.8 }),
    value('connections that died', 'dead', { atMost: 0 }),
  ],
  async run(bench) {
    const words = (count: number, hold: number) => [
      ...['-mode', 'idle', '-n', String(count), '-hold', `${hold}s`, '-persistent'],
      ...['-cid-recv', 'd{i}', '-sub', 'u/d{i}/msg'],
    ]
    // So that what a broker loads and makes once is not counted for the sessions.
    await bench.load(words(firstSessions, 0))
    return bench.load(words(idleSessions, 2 * bench.seconds))
  },
}

const stalledReaders = 200
const besides = 20
/** After so long all readers are stalled, and what is measured is that they are, not that they were
 * sent a lot. */
const fillMs = 6000
/** Parley's `windowBytesMax`, MiB. */
const windowMebibytes = 0.25

export const stalled: Case = {
  name: 'stalled',
  title: '200 stalled readers of a flooded group, and 20 pairs, closed loop',
  contenders: ['parley', 'aedes'],
  population: {
    users: [...names('s', besides), ...names('r', besides), 'flooder', ...names('f', 200)],
    groups: [{ id: 'flood', members: ['flooder', ...names('f', stalledReaders)] }],
  },
  columns: [
    { title: 'RSS peak MiB without', figure: 'rssAlone', digits: 0 },
    { title: 'with stalled readers', figure: 'rssPeak', digits: 0 },
    { title: 'growth', figure: 'growth', digits: 0 },
    { title: 'p99 ms without', figure: 'p99Alone', digits: 2 },
    { title: 'with', figure: 'p99', digits: 2 },
    { title: 'messages/s without', figure: 'messagesAlone', digits: 0 },
    { title: 'with', figure: 'messages', digits: 0 },
    { title: 'lost', figure: 'lost', digits: 0 },
  ],
  wanted: [
    value('RSS growth, MiB (200 windows)', 'growth', { atMost: stalledReaders * windowMebibytes }),
    value("others' p99 / without stalled readers", 'p99Ratio', { atMost: 1.5 }),
    value("others' messages lost", 'lost', { atMost: 0 }),
  ],
  async run(bench) {
    const pairs = () => bench.load(['-mode', 'pair', '-n', String(besides), ...times(bench)])
    // The flood without readers first: what they change is what is wanted.
    const alone = await bench.beside(flood(bench, 0), pairs)
    const among = await bench.beside(flood(bench, stalledReaders), async () => {
      await wait(fillMs)
      return pairs()
    })
    const figure = (from: typeof alone, name: string): number => from[name] ?? Number.NaN
    return {
      rssAlone: figure(alone, 'rssPeak'),
      rssPeak: figure(among, 'rssPeak'),
      growth: figure(among, 'rssPeak') - figure(alone, 'rssPeak'),
      p99Alone: figure(alone, 'p99'),
      p99: figure(among, 'p99'),
      p99Ratio: figure(among, 'p99') / figure(alone, 'p99'),
      messagesAlone: figure(alone, 'messages'),
      messages: figure(among, 'messages'),
      lost: figure(alone, 'lost') + figure(among, 'lost'),
    }
  },
}

/** A publisher of 1 MB/s. When a reader has been sent 4 MB, the system's own buffers for it are
 * full (3.9 MiB, measured on Linux 6), and the broker must hold the rest, or let it be. */
function flood({ running, seconds, warmSeconds }: Bench, readers: number): string[] {
  return [
    ...['-mode', 'group', '-groups', '1', '-members', String(readers), '-stalled'],
    ...['-pub', 'g/flood/msg', '-sub', 'g/flood/msg', '-cid-send', 'flooder', '-cid-recv', 'f{m}'],
    ...['-rate', '50', '-size', '20000', '-drain', '0s'],
    ...['-warm', '0s', '-dur', `${60 + seconds + warmSeconds}s`],
    ...(running.usersFile === undefined ? [] : ['-users', usersAfter(running.usersFile)]),
  ]
}

/** A file of the users from the flooder on. */
function usersAfter(file: string): string {
  const lines = readFileSync(file, 'utf8').split('\n')
  const flooders = `${file}.flood`
  writeFileSync(flooders, lines.slice(2 * besides).join('\n'), { mode: 0o600 })
  return flooders
}
