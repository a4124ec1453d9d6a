// Redis goes and comes back empty: publishes are acknowledged all the while, everybody gets
// everything, readiness says what is wrong, and all repairs itself.

import t from 'tap'
import { until } from '../support/until.ts'
import { gatherTeam, hear, say } from './cluster/team.ts'
import { type ClusterBroker, skipWithoutCluster, startCluster } from './cluster/topology.ts'
import { judge } from './cluster/verdict.ts'

const skip = skipWithoutCluster()
/** A publish may wait this long for the discovery that Redis is away. */
const acknowledgedMs = 5000
/** The slow timer on which a broker looks for what it was not told of, and time to read it. */
const repairedMs = 60_000

async function statusOf({ api }: ClusterBroker): Promise<unknown> {
  const { status, json } = await api.request('/readyz')
  return status === 200 ? (json as { status: string }).status : status
}

for (const how of ['is killed', 'does not answer'] as const) {
  t.test(`a cluster goes on when Redis ${how}`, { skip }, async (t) => {
    const cluster = await startCluster(t, { brokers: 2, flags: ['--log-level', 'warn'] })
    const team = await gatherTeam(t, cluster, { users: ['alice', 'bob', 'carol', 'dave'] })
    const { members } = team
    const [alice, bob] = members as [(typeof members)[0], (typeof members)[0]]
    const isNear = (it: typeof alice) => it.broker === alice.broker
    let said = 0
    const everybodySpeaks = async () => {
      for (const member of [alice, bob, alice]) await say(member, acknowledgedMs)
      said += 3
    }
    const areAll = (status: string) =>
      until(
        `all are ${status}`,
        async () => (await Promise.all(cluster.brokers.map(statusOf))).every((it) => it === status),
        30_000,
      )
    await everybodySpeaks()
    await hear(members, said, 5000)
    await areAll('ready')

    if (how === 'is killed') await cluster.redis.kill()
    else cluster.redis.pause()
    await everybodySpeaks()
    t.pass('publishes are acknowledged')
    await areAll('degraded')
    await say(alice, acknowledgedMs)
    said++
    await hear(members.filter(isNear), said, repairedMs)
    await hear(members, said, repairedMs)
    t.pass('everybody has everything, by way of the store')

    if (how === 'is killed') await cluster.redis.restart()
    else cluster.redis.resume()
    await cluster.redis.flush()
    await areAll('ready')
    await everybodySpeaks()
    await hear(members, said, 5000)
    t.pass('and at once again when Redis is back')
    const { problems } = await judge(cluster.api, team)
    t.same(problems, [])
  })
}
