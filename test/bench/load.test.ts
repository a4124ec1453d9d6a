// The load generator against brokers that run: what is right it finds right, and each fault shows.

import { mkdtempSync, rmSync } from 'node:fs'
import t from 'tap'
import type { Case } from '../../bench/compare/case.ts'
import { ownCommand } from '../../bench/compare/load-program.ts'
import { runPlan } from '../../bench/compare/rounds.ts'
import { aedesInMemory } from '../../bench/contenders/aedes.ts'
import { makeParley } from '../../bench/contenders/parley.ts'
import { runLoad } from '../../bench/load/conduct.ts'
import { readOptions } from '../../bench/load/options.ts'
import { type Figures, readLine } from '../../bench/load/report.ts'
import { startFaultyBroker } from './faulty-broker.ts'

async function load(words: readonly string[]): Promise<Figures> {
  let figures: Figures = {}
  await runLoad(readOptions(words), (line) => {
    figures = { ...figures, ...readLine(line) }
  })
  return figures
}

t.test('a broker that loses, repeats and reorders is found out', async (t) => {
  const port = await startFaultyBroker(t)
  const figures = await load([
    ...['-addr', `127.0.0.1:${port}`, '-n', '1', '-warm', '0s', '-dur', '300ms', '-drain', '1s'],
  ])
  const tenths = Math.floor((figures.sent ?? 0) / 10)
  t.ok(tenths > 0, 'messages were sent')
  // Of the last, begun ten, up to two are missing.
  const isNear = (value = 0) => value >= tenths && value <= tenths + 2
  t.ok(isNear(figures.lost), `lost ${figures.lost} of ${figures.sent}`)
  t.ok(isNear(figures.duplicates), `twice ${figures.duplicates} of ${figures.sent}`)
  t.ok(isNear(figures.outOfOrder), `out of order ${figures.outOfOrder} of ${figures.sent}`)
})

t.test('a broker that is not there is an error', async (t) => {
  await t.rejects(load(['-addr', '127.0.0.1:1']), /ECONNREFUSED/)
})

const time = ['-warm', '0s', '-dur', '1s']
const group = ['-mode', 'group', '-groups', '1', '-members', '3', '-pub', 'g/g{i}/msg']
const loads: Readonly<Record<string, (filter: string) => readonly string[]>> = {
  'closed loop': () => ['-n', '3', '-workers', '2', ...time],
  'open loop': () => ['-n', '3', '-rate', '300', ...time],
  'a group': (filter) => [...group, '-sub', filter, ...time],
  'receivers away': () => ['-mode', 'offline', '-n', '3', '-count', '20'],
}

const subject: Case = {
  name: 'all',
  title: 'a little of everything',
  contenders: ['parley', 'aedes'],
  population: {
    users: ['s0', 's1', 's2', 'r0', 'r1', 'r2'],
    groups: [{ id: 'g0', members: ['s0', 's1', 's2', 'r0'] }],
  },
  columns: [],
  wanted: [],
  async run({ contender, load }) {
    const found: Record<string, number> = {}
    for (const [name, words] of Object.entries(loads)) {
      const { expected, lost, duplicates, outOfOrder } = await load(words(contender.groupFilter))
      const faults = { lost, duplicates, outOfOrder }
      found[`${name}: sent`] = expected ?? 0
      for (const [fault, count] of Object.entries(faults)) found[`${name}: ${fault}`] = count ?? -1
    }
    const idle = await load(['-mode', 'idle', '-n', '3', '-hold', '0s', '-sub', 'u/s{i}/msg'])
    return { ...found, connections: idle.connections ?? 0 }
  },
}

t.test('Parley and aedes, started by the benchmark, lose and repeat nothing', async (t) => {
  const folder = mkdtempSync('.bench-test-')
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  const plan = {
    cases: [subject],
    contenders: [makeParley([]), aedesInMemory],
    rounds: 1,
    seconds: 1,
    warmSeconds: 0,
    command: ownCommand,
    folder,
    progress: () => {},
  }
  const [result] = await runPlan(plan, new AbortController().signal)
  t.same(result?.failures, [])
  for (const contender of ['parley', 'aedes']) {
    const { connections, ...figures } = result?.medians.get(contender) ?? {}
    t.equal(connections, 3, contender)
    for (const [name, value] of Object.entries(figures)) {
      if (name.endsWith(': sent')) t.ok(value > 0, `${contender}, ${name}: ${value}`)
      else t.equal(value, 0, `${contender}, ${name}`)
    }
  }
})
