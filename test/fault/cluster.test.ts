// Three brokers on Redis and MongoDB, behind HAProxy: nothing acknowledged is lost, repeated or
// reordered while all of them fail at random. The short run; `npm run test:chaos` is the long one.
//
// PARLEY_CHAOS_SEED=n repeats the faults of a run.

import { randomInt } from 'node:crypto'
import t from 'tap'
import { runChaos } from './cluster/chaos.ts'
import { skipWithoutCluster } from './cluster/topology.ts'

const seed = Number(process.env.PARLEY_CHAOS_SEED ?? randomInt(2 ** 31))

t.setTimeout(240_000)

t.test(
  'a cluster keeps its promises while its parts fail',
  { skip: skipWithoutCluster() },
  async (t) => {
    t.comment(`PARLEY_CHAOS_SEED=${seed}`)
    const { problems, ...report } = await runChaos(t, {
      seed,
      runMs: 45_000,
      users: 200,
      groups: 20,
      messagesPerSecond: 50,
      say: (line) => t.comment(line),
    })
    t.comment(JSON.stringify(report))
    t.same(problems, [])
    t.ok(report.acknowledged > 500, `${report.acknowledged} messages were acknowledged`)
    t.ok(report.faults > 8, `${report.faults} faults befell it`)
  },
)
