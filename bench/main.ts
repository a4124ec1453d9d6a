// `npm run bench`: Parley against other brokers in one run, several rounds, medians; prints a table
// with what is wanted, and saves that of a whole run in docs/benchmarks.md.

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { saveResults } from './compare/document.ts'
import { crossing, groups, largeGroup, pairs, trickle } from './compare/flow-cases.ts'
import { ownCommand } from './compare/load-program.ts'
import { type Plan, runPlan } from './compare/rounds.ts'
import { away, idle, stalled } from './compare/session-cases.ts'
import { describeMachine, fileSystemOf, isInMemory } from './compare/surroundings.ts'
import { formatResults } from './compare/table.ts'
import { aedesInMemory, aedesWithRedis } from './contenders/aedes.ts'
import { mosquitto } from './contenders/mosquitto.ts'
import { makeParley } from './contenders/parley.ts'
import { makeParleyCluster } from './contenders/parley-cluster.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const allCases = [pairs, groups, trickle, crossing, away, largeGroup, idle, stalled]
const help = `npm run bench -- [flags]
  --cases a,b       ${allCases.map(({ name }) => name).join(', ')} (all)
  --contenders a,b  parley, parley-cluster (one broker, MongoDB, Redis), parley-cluster-2,
                    aedes, aedes-redis, mosquitto (all)
  --rounds n        (3)
  --seconds n       measured time of each load (5), after a warm-up of 2
  --quick           1 round, 2 seconds, warm-up of 1
  --save            save the tables although not all was run
  --profile folder  write a CPU profile of each Parley process there
MQLOAD=program      the load program, with the flags and the output of build/bench/load/main.js`

const { values } = parseArgs({
  options: {
    cases: { type: 'string' },
    contenders: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) console.log(help)
else {
  await main().catch((error: Error) => {
    console.error(`bench: ${error.message}`)
    process.exitCode = 1
  })
}

async function main(): Promise<void> {
  const abort = new AbortController()
  process.once('SIGINT', () => abort.abort(new Error('interrupted')))
  process.once('SIGTERM', () => abort.abort(new Error('terminated')))
  // Not once: a terminal that is closed may say so twice.
  process.on('SIGHUP', () => abort.abort(new Error('hung up')))
  // Not in /tmp, which may lie in memory.
  const folder = mkdtempSync(join(process.cwd(), '.bench-'))
  try {
    const plan = makePlan(folder)
    const heading = describeRun(plan)
    console.log(`${heading}\n`)
    const begun = performance.now()
    const results = await runPlan(plan, abort.signal)
    const tables = formatResults(results, plan.contenders)
    console.log(`\n${tables}\n${((performance.now() - begun) / 60_000).toFixed(1)} minutes`)
    if (results.some(({ failures }) => failures.length > 0)) process.exitCode = 1
    const isWhole = !values.quick && !values.cases && !values.contenders && !values.profile
    if (!isWhole && !values.save) return
    saveResults(join(root, 'docs/benchmarks.md'), `${heading}\n\n${tables}`)
    console.log('saved in docs/benchmarks.md')
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }
}

function makePlan(folder: string): Plan {
  const flags =
    values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`]
  const clusters = [makeParleyCluster(1, flags), makeParleyCluster(2, flags)]
  const known = [makeParley(flags), ...clusters, aedesInMemory, aedesWithRedis, mosquitto]
  const contenders = choose('contender', known, values.contenders).filter(({ name, missing }) => {
    const reason = missing()
    if (reason !== undefined) console.log(`skipped: ${name}, ${reason}`)
    return reason === undefined
  })
  return {
    cases: choose('case', allCases, values.cases),
    contenders,
    rounds: number('rounds', values.rounds ?? (values.quick ? '1' : '3')),
    seconds: number('seconds', values.seconds ?? (values.quick ? '2' : '5')),
    warmSeconds: values.quick ? 1 : 2,
    command: process.env.MQLOAD === undefined ? ownCommand : [process.env.MQLOAD],
    folder,
    progress: console.log,
  }
}

function choose<Item extends { readonly name: string }>(
  what: string,
  all: readonly Item[],
  names: string | undefined,
): readonly Item[] {
  if (names === undefined) return all
  const wanted = names.split(',')
  const unknown = wanted.find((name) => !all.some((item) => item.name === name))
  if (unknown !== undefined) throw new Error(`there is no ${what} ${unknown}\n${help}`)
  return all.filter(({ name }) => wanted.includes(name))
}

function number(what: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${what} must be a whole number, not ${text}`)
  return Number(text)
}

function describeRun(plan: Plan): string {
  const fileSystem = fileSystemOf(plan.folder)
  const remark = isInMemory(fileSystem) ? ', in memory: fsync costs nothing here!' : ''
  const words = process.argv.slice(2).join(' ')
  const generator = process.env.MQLOAD === undefined ? "the project's own" : 'the one of MQLOAD'
  return [
    `- command: \`npm run bench${words === '' ? '' : ` -- ${words}`}\`, ${plan.rounds} rounds of ` +
      `${plan.seconds} s, medians (faults: sums)`,
    `- date: ${new Date().toISOString().slice(0, 10)}`,
    `- machine: ${describeMachine()}; load generator (${generator}) on the same cores`,
    `- disk: ${fileSystem}${remark}`,
    ...plan.contenders.map(({ name, title }) => `- \`${name}\`: ${title}`),
  ].join('\n')
}
