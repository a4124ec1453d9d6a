// What the benchmark leaves when something ends early: a broker that dies fails its case at once,
// and a closed terminal leaves neither processes nor folders.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Bench, Case } from '../../bench/compare/case.ts'
import { ownCommand } from '../../bench/compare/load-program.ts'
import { runPlan } from '../../bench/compare/rounds.ts'
import { aedesInMemory } from '../../bench/contenders/aedes.ts'
import { cpuSeconds } from '../../bench/load/processes.ts'
import { until } from '../support/until.ts'

const program = fileURLToPath(new URL('../../bench/main.js', import.meta.url))

function makeFolder(): string {
  const folder = mkdtempSync('.bench-test-')
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  return folder
}

/** Kills the broker, with no chance to say goodbye, when the load has made it work. */
async function killAtWork({ running }: Bench): Promise<void> {
  const pid = running.parts[0]?.pid ?? 0
  const before = cpuSeconds([pid])
  await until('the broker works', () => cpuSeconds([pid]) > before + 0.3)
  process.kill(pid, 'SIGKILL')
}

t.test('a broker that dies fails its case at once, and the next one runs', async (t) => {
  const words = ['-mode', 'pair', '-n', '2', '-warm', '0s']
  const subject: Case = {
    name: 'pairs',
    title: 'Some pairs',
    contenders: ['aedes'],
    population: { users: [], groups: [] },
    columns: [],
    wanted: [],
    async run(bench) {
      if (bench.round > 0) return bench.load([...words, '-dur', '200ms'])
      const long = bench.load([...words, '-dur', '20s', '-drain', '60s'])
      const [figures] = await Promise.all([long, killAtWork(bench)])
      return figures
    },
  }
  const plan = {
    cases: [subject],
    contenders: [aedesInMemory],
    rounds: 2,
    seconds: 1,
    warmSeconds: 0,
    command: ownCommand,
    folder: makeFolder(),
    progress: () => {},
  }
  const begin = performance.now()
  const [result] = await runPlan(plan, new AbortController().signal)
  t.ok(performance.now() - begin < 20_000, 'before the load would have ended')
  t.match(result?.failures, [/^round 1\/2 pairs aedes: .* ended while it was needed, by SIGKILL$/])
  t.equal(result?.failures.length, 1)
  t.ok((result?.medians.get('aedes')?.delivered ?? 0) > 0, 'the second round is measured')
})

t.test('when the terminal is closed, its processes and its folder go too', async (t) => {
  const cwd = makeFolder()
  const words = ['--cases', 'pairs', '--contenders', 'aedes', '--seconds', '60']
  const bench = spawn(process.execPath, [program, ...words], { cwd, stdio: 'ignore' })
  t.teardown(() => bench.kill('SIGKILL'))
  const children = (): string[] =>
    readFileSync(`/proc/${bench.pid}/task/${bench.pid}/children`, 'utf8').split(' ').filter(Boolean)
  // The broker and its load.
  await until('the load runs', () => children().length === 2)
  const begun = children()
  t.equal(readdirSync(cwd).length, 1)
  const ended = once(bench, 'exit')
  bench.kill('SIGHUP')
  bench.kill('SIGHUP')
  t.same(await ended, [1, null])
  t.same(readdirSync(cwd), [])
  t.same(
    begun.filter((pid) => existsSync(`/proc/${pid}`)),
    [],
  )
})
