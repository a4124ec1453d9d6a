// One of three brokers is killed: its clients move on to the others, through HAProxy, and go on
// where they were.

import t from 'tap'
import { until } from '../support/until.ts'
import { cursorFlushMs, gatherCrowd } from './cluster/crowd.ts'
import { makePeople } from './cluster/people.ts'
import { skipWithoutCluster, startCluster } from './cluster/topology.ts'
import { judge, sum } from './cluster/verdict.ts'
import { makeRandom } from './random.ts'

/** HAProxy needs 600 ms to see it; a client that comes before that is sent on at once. */
const movedMs = 10_000

t.test('clients of a broker that is killed move on', { skip: skipWithoutCluster() }, async (t) => {
  const flags = ['--log-level', 'warn', '--cursor-flush-ms', `${cursorFlushMs}`]
  const cluster = await startCluster(t, { brokers: 3, flags })
  const random = makeRandom(1)
  const people = await makePeople(cluster.api, { users: 60, groups: 6, random })
  const never = () => Number.POSITIVE_INFINITY
  const calm = { withStore: never, withAll: never }
  const crowd = await gatherCrowd(t, { people, random, port: cluster.haproxy.mqttPort, calm })
  crowd.stay()
  const clients = [...crowd.publishers, ...crowd.devices]
  const areAllOpen = () => clients.every((it) => it.client()?.isOpen())
  await until('everybody is there', areAllOpen)
  const stop = crowd.publishAtRate(100)
  const acknowledged = () => sum(crowd.publishers.map((it) => it.acknowledged()))
  await until('messages flow', () => acknowledged() > 300, 30_000)

  const connections = clients.map((it) => it.client())
  await cluster.brokers[0]?.process.kill()
  await until('its clients are gone', () => !areAllOpen())
  const lost = connections.filter((it) => !it?.isOpen()).length
  await until('everybody is there again', areAllOpen, movedMs)
  t.ok(lost > 0 && lost < connections.length, `${lost} of ${connections.length} had to move`)
  const before = acknowledged()
  await until('messages flow', () => acknowledged() > before + 300, 30_000)
  stop()
  const { problems } = await judge(cluster.brokers[1]?.api ?? cluster.api, crowd)
  t.same([...problems, ...crowd.problems], [])
})
