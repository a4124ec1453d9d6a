// MongoDB is slow: publishers are held back, the broker's memory stays bounded, and everything
// arrives.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { until } from '../support/until.ts'
import { gatherTeam } from './cluster/team.ts'
import { skipWithoutCluster, startCluster } from './cluster/topology.ts'
import { judge, sum } from './cluster/verdict.ts'

const payloadBytes = 8192
const users = Array.from({ length: 8 }, (_, index) => `user${index}`)
/** What may wait for the store, bytes: a sixth of what the publishers have under way. */
const queueBytesMax = 4 * 1024 * 1024
/** What waits for the store, several times over: as bytes, entries, commands and garbage. */
const growthBytesMax = 150 * 1024 * 1024

/** Resident memory of a process. */
function memoryOf(pid: number): number {
  const [, kibibytes = ''] =
    /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kibibytes) * 1024
}

t.test(
  'a slow store holds publishers back, in bounded memory',
  { skip: skipWithoutCluster() },
  async (t) => {
    const bounds = ['--append-queue-bytes-max', String(queueBytesMax)]
    const flags = ['--log-level', 'warn', '--append-wait-ms', '60000', ...bounds]
    const cluster = await startCluster(t, { brokers: 1, flags })
    const padding = 'x'.repeat(payloadBytes)
    const team = await gatherTeam(t, cluster, { users, inFlightMax: 400, padding })
    const acknowledged = () => sum(team.publishers.map((it) => it.acknowledged()))
    const write = (on: boolean) => {
      for (const publisher of team.publishers) publisher.write(on)
    }
    const pid = cluster.brokers[0]?.process.pid() ?? 0
    write(true)
    await until('messages flow', () => acknowledged() > 500, 30_000)
    const before = memoryOf(pid)
    let highest = before
    await Promise.all(cluster.mongoProxies.map((proxy) => proxy.latency(1000)))
    const slowFrom = acknowledged()
    const begin = Date.now()
    await until(
      'it was slow for a while',
      () => {
        highest = Math.max(highest, memoryOf(pid))
        return Date.now() > begin + 15_000
      },
      30_000,
    )
    const slowly = acknowledged() - slowFrom
    await Promise.all(cluster.mongoProxies.map((proxy) => proxy.heal()))
    write(false)
    const { problems } = await judge(cluster.api, team)
    t.same(problems, [])
    const growth = Math.round((highest - before) / 1024 / 1024)
    t.ok(highest - before < growthBytesMax, `memory grew by ${growth} MiB`)
    t.comment(`${slowly} messages acknowledged while it was slow, ${acknowledged()} in all`)
  },
)
