// The long chaos run: `npm run test:chaos -- --minutes 2 --seed 7`. Prints the seed, what happened
// when, and the verdict; ends with 1 when a promise was broken.

import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { runChaos } from './chaos.ts'
import { skipWithoutCluster } from './topology.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: `${randomInt(2 ** 31)}` },
    users: { type: 'string', default: '200' },
    groups: { type: 'string', default: '20' },
    rate: { type: 'string', default: '50' },
  },
})
const skip = skipWithoutCluster()
if (skip !== false) throw new Error(skip)

const works: (() => Promise<void> | void)[] = []
const say = (line: string) => console.log(line)
say(`--minutes ${values.minutes} --seed ${values.seed}`)
try {
  const { problems, ...report } = await runChaos(
    { teardown: (work) => void works.push(work) },
    {
      seed: Number(values.seed),
      runMs: Number(values.minutes) * 60_000,
      users: Number(values.users),
      groups: Number(values.groups),
      messagesPerSecond: Number(values.rate),
      say,
    },
  )
  say(JSON.stringify(report))
  for (const problem of problems) say(`PROBLEM ${problem}`)
  say(problems.length === 0 ? 'every promise was kept' : `${problems.length} problems`)
  process.exitCode = problems.length === 0 ? 0 : 1
} finally {
  for (const work of works.reverse()) await work()
}
