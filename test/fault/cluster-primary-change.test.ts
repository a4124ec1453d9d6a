// MongoDB's primary goes while everybody writes: publishes wait for the next one, within bounds,
// and nothing acknowledged is lost.

import t from 'tap'
import { until } from '../support/until.ts'
import { gatherTeam } from './cluster/team.ts'
import { skipWithoutCluster, startCluster } from './cluster/topology.ts'
import { judge, sum } from './cluster/verdict.ts'

const users = ['alice', 'bob', 'carol', 'dave']
/** An election takes two seconds here, and the driver some more to notice. Where the old primary
 * hangs, 6 to 10 more go by until the other member follows the new one (mongod 6). */
const waitMs = 30_000

for (const how of ['is killed', 'does not answer', 'hands over'] as const) {
  t.test(
    `publishes wait when the primary of MongoDB ${how}`,
    { skip: skipWithoutCluster() },
    async (t) => {
      // Not so long a wait for the store that a client would be sent away.
      const flags = ['--log-level', 'warn', '--append-wait-ms', '60000']
      const cluster = await startCluster(t, { brokers: 2, flags })
      const { mongo } = cluster
      const team = await gatherTeam(t, cluster, { users, inFlightMax: 4 })
      const acknowledged = () => sum(team.publishers.map((it) => it.acknowledged()))
      const write = (on: boolean) => {
        for (const publisher of team.publishers) publisher.write(on)
      }
      write(true)
      await until('messages flow', () => acknowledged() > 100)
      const primary = await mongo.primary()
      if (how === 'is killed') await primary.kill()
      else if (how === 'does not answer') primary.pause()
      else await mongo.stepDown()
      const next = await mongo.primary()
      t.not(next.port, primary.port)
      const before = acknowledged()
      await until('messages flow again', () => acknowledged() > before + 100, waitMs)
      if (how === 'is killed') await primary.restart()
      else primary.resume()
      write(false)
      const { problems } = await judge(cluster.api, team)
      t.same(problems, [])
      const longest = Math.max(...team.publishers.map((it) => it.longestWaitMs()))
      t.ok(longest < waitMs, `the longest wait was ${longest} ms`)
      const clients = [...team.publishers, ...team.devices].map((it) => it.client())
      t.ok(
        clients.every((it) => it?.isOpen()),
        'no connection was lost',
      )
    },
  )
}
