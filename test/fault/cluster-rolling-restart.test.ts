// Three brokers are restarted one after the other by SIGTERM while everybody writes and reads:
// nothing is lost, and nothing that a device acknowledged comes again.

import t from 'tap'
import { until } from '../support/until.ts'
import { gatherCrowd } from './cluster/crowd.ts'
import { makePeople } from './cluster/people.ts'
import { skipWithoutCluster, startCluster } from './cluster/topology.ts'
import { countDeliveries, countRepeats, judge, sum } from './cluster/verdict.ts'
import { makeRandom } from './random.ts'

t.test('a rolling restart loses and repeats nothing', { skip: skipWithoutCluster() }, async (t) => {
  const cluster = await startCluster(t, { brokers: 3, flags: ['--log-level', 'warn'] })
  const random = makeRandom(1)
  const people = await makePeople(cluster.api, { users: 60, groups: 6, random })
  const never = () => Number.POSITIVE_INFINITY
  const calm = { withStore: never, withAll: never }
  const crowd = await gatherCrowd(t, { people, random, port: cluster.haproxy.mqttPort, calm })
  crowd.stay()
  const acknowledged = () => sum(crowd.publishers.map((it) => it.acknowledged()))
  const flow = async () => {
    const goal = acknowledged() + 200
    await until('messages flow', () => acknowledged() > goal, 30_000)
  }
  const stop = crowd.publishAtRate(100)
  await flow()
  for (const { process } of cluster.brokers) {
    t.equal(await process.stop(), 0, 'it ends well')
    await flow()
    await process.restart()
    await flow()
  }
  stop()
  const { problems, run } = await judge(cluster.api, crowd)
  t.same([...problems, ...crowd.problems], [])
  t.equal(countRepeats(run), 0, `none of ${countDeliveries(run)} deliveries was repeated`)
})
