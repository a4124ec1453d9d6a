// A chaos run: people publish at random while the faults of a plan befall the cluster; then all is
// repaired, everybody catches up, and the checker judges.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Owner } from '../../support/engine-process.ts'
import { countVoids } from '../checker.ts'
import { makeRandom } from '../random.ts'
import { type Calm, cursorFlushMs, gatherCrowd } from './crowd.ts'
import { befall } from './faults.ts'
import { makePeople } from './people.ts'
import { type Fault, type FaultKind, makePlan } from './plan.ts'
import { type Cluster, startCluster } from './topology.ts'
import { countDeliveries, countRepeats, judge, sum } from './verdict.ts'

export interface ChaosOptions {
  readonly seed: number
  /** How long messages are published and faults happen. */
  readonly runMs: number
  readonly users: number
  readonly groups: number
  readonly messagesPerSecond: number
  /** Told of what happens, a line each. */
  readonly say: (line: string) => void
}

export interface ChaosReport {
  /** None when all promises were kept. */
  readonly problems: readonly string[]
  readonly faults: number
  /** Messages at QoS 1, and at QoS 2. */
  readonly acknowledged: number
  readonly completed: number
  readonly deliveries: number
  /** Deliveries again of what was not flushed. */
  readonly repeats: number
  /** Positions that brokers took and left behind. */
  readonly voids: number
  /** Longest time from the first sending of a message to its PUBACK. */
  readonly longestWaitMs: number
}

/** Runs it, with everything it needs. */
export async function runChaos(t: Owner, options: ChaosOptions): Promise<ChaosReport> {
  const { seed, runMs, say } = options
  const random = makeRandom(seed)
  const flags = ['--log-level', 'warn', '--cursor-flush-ms', `${cursorFlushMs}`]
  const cluster = await startCluster(t, { brokers: 3, flags })
  const people = await makePeople(cluster.api, { ...options, exactUsers: 10, random })
  const troubles = makeTroubles()
  const port = cluster.haproxy.mqttPort
  const crowd = await gatherCrowd(t, { people, random, port, calm: troubles.calm })
  const problems: string[] = []
  const begin = Date.now()
  const tell = (line: string) => say(`${((Date.now() - begin) / 1000).toFixed(1)} s: ${line}`)
  const plan = makePlan(seed, runMs)
  const inflict = async (fault: Fault) => {
    await sleep(fault.atMs)
    const name = `${fault.kind} (${fault.target}, ${fault.forMs} ms)`
    tell(name)
    const end = troubles.begin(fault)
    await befall(cluster, fault).catch((error: Error) => problems.push(`${name}: ${error.message}`))
    end()
    tell(`${name}: over`)
  }
  const watching = watchBrokers(cluster, troubles)
  const stopPublishing = crowd.publishAtRate(options.messagesPerSecond)
  await Promise.all([sleep(runMs), ...plan.map(inflict)])
  stopPublishing()
  tell('all is repaired')
  problems.push(...watching.close())
  crowd.stay()
  const verdict = await judge(cluster.api, crowd)
  tell('all is collected')
  problems.push(...crowd.problems, ...verdict.problems)
  const { publishers, exactPublishers } = crowd
  return {
    problems,
    faults: plan.length,
    acknowledged: sum(publishers.map((it) => it.acknowledged())),
    completed: sum(exactPublishers.map((it) => it.completed())),
    deliveries: countDeliveries(verdict.run),
    repeats: countRepeats(verdict.run),
    voids: countVoids(verdict.run),
    longestWaitMs: Math.max(...publishers.map((it) => it.longestWaitMs())),
  }
}

/** What does not keep acknowledgements from the store while their connection lasts. */
const harmless: ReadonlySet<FaultKind> = new Set([
  'kill broker',
  'stop broker',
  'cut clients',
  'cut broker off Redis',
  'kill Redis',
  'pause Redis',
  'flush Redis',
])

interface Troubles {
  readonly calm: Calm
  readonly now: ReadonlySet<Fault>
  /** Returns what to call when it is over. */
  begin(fault: Fault): () => void
}

function makeTroubles(): Troubles {
  const now = new Set<Fault>()
  let allSince = Date.now()
  let storeSince = Date.now()
  const concernsStore = ({ kind }: Fault) => !harmless.has(kind)
  return {
    now,
    calm: {
      withAll: () => (now.size > 0 ? Number.POSITIVE_INFINITY : allSince),
      withStore: () => ([...now].some(concernsStore) ? Number.POSITIVE_INFINITY : storeSince),
    },
    begin(fault) {
      now.add(fault)
      return () => {
        now.delete(fault)
        allSince = Date.now()
        if (concernsStore(fault)) storeSince = Date.now()
      }
    },
  }
}

/** Sees when a broker ends that nobody ended. */
function watchBrokers({ brokers }: Cluster, { now }: Troubles) {
  const problems = new Set<string>()
  const timer = setInterval(() => {
    for (const [index, { process }] of brokers.entries()) {
      const isExpected = [...now].some(({ target }) => target === `broker ${index}`)
      if (process.pid() > 0 || isExpected) continue
      problems.add(`broker ${index} ended by itself: ${process.output()}`)
    }
  }, 100)
  return {
    close() {
      clearInterval(timer)
      return [...problems]
    },
  }
}
