// A chaos run: people publish at random while the faults of a plan befall the cluster; then all is
// repaired, everybody catches up, and the checker judges.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Owner } from '../../support/engine-process.ts'
import { until } from '../../support/until.ts'
import { checkRun, countVoids, type Run } from '../checker.ts'
import { makeRandom } from '../random.ts'
import { conversationOf, readHistory } from '../server-program.ts'
import { type Calm, type Crowd, cursorFlushMs, gatherCrowd } from './crowd.ts'
import { befall } from './faults.ts'
import { inParallel, makePeople, type Person } from './people.ts'
import { type Fault, type FaultKind, makePlan } from './plan.ts'
import { type Cluster, startCluster } from './topology.ts'

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
  readonly acknowledged: number
  readonly deliveries: number
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
  const people = await makePeople(cluster.api, { ...options, random })
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
  const publishing = publishFor(crowd, options)
  await Promise.all([publishing, ...plan.map(inflict)])
  tell('all is repaired')
  problems.push(...watching.close(), ...(await settle(crowd)))
  const run = await collect(cluster, crowd, people)
  tell('all is collected')
  problems.push(...crowd.problems, ...checkRun(run), ...clientProblems(crowd))
  const { publishers } = crowd
  return {
    problems,
    faults: plan.length,
    acknowledged: sum(publishers.map((it) => it.acknowledged())),
    deliveries: sum(run.devices.flatMap((it) => it.connections.map((entries) => entries.length))),
    voids: countVoids(run),
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

async function publishFor(crowd: Crowd, { runMs, messagesPerSecond }: ChaosOptions) {
  const begin = Date.now()
  let published = 0
  while (Date.now() < begin + runMs) {
    const due = ((Date.now() - begin) * messagesPerSecond) / 1000
    for (; published < due; published++) crowd.publish()
    await sleep(20)
  }
}

const settleMs = 60_000

/** Waits until every message is acknowledged. */
async function settle(crowd: Crowd): Promise<readonly string[]> {
  crowd.stay()
  const waiting = () => sum(crowd.publishers.map((it) => it.inFlight()))
  try {
    await until('all is acknowledged', () => waiting() === 0, settleMs)
    return []
  } catch (error) {
    return [`${(error as Error).message}: ${waiting()} are not`]
  }
}

/** Reads all histories, and waits until the devices have what is there; the checker says better
 * than a deadline what is missing. */
async function collect(cluster: Cluster, crowd: Crowd, people: readonly Person[]): Promise<Run> {
  const readers = new Map<string, string>()
  for (const { user, token, topics } of people) {
    for (const topic of topics) readers.set(conversationOf(user, topic), token)
  }
  const histories = await inParallel([...readers], async ([conversation, token]) => ({
    conversation,
    entries: await readHistory(cluster.api, token, conversation),
  }))
  const heads = new Map(histories.map((it) => [it.conversation, it.entries.at(-1)?.seq ?? 0]))
  const hasAll = ({ stream, head, keep }: Crowd['devices'][number]) => {
    keep()
    return stream.conversations.every((id) => head(id) >= (heads.get(id) ?? 0))
  }
  await until('every device has everything', () => crowd.devices.every(hasAll), settleMs).catch(
    () => {},
  )
  await Promise.all(
    crowd.devices.map((it) =>
      it
        .client()
        ?.ping()
        .catch(() => {}),
    ),
  )
  return {
    mayHaveVoids: true,
    publications: crowd.publishers.map((it) => it.publications),
    devices: crowd.devices.map((it) => it.stream),
    histories,
  }
}

function clientProblems({ publishers, devices }: Crowd): readonly string[] {
  const notices = devices.flatMap((it) => it.notices.map((notice) => `refused: ${notice}`))
  return [...publishers.flatMap((it) => it.problems), ...notices].slice(0, 20)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
