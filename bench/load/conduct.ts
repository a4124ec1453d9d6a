// The modes of the load generator, as the main thread conducts them: connect, warm up, measure,
// wait for stragglers, and say what was found.

import { setTimeout as wait } from 'node:timers/promises'
import { microseconds } from './clock.ts'
import { type Crew, makeCrew } from './crew.ts'
import type { LoadOptions } from './options.ts'
import { cpuSeconds, residentKib } from './processes.ts'
import {
  connectedLine,
  drainedLine,
  flowLines,
  idleConnectedLine,
  idleHeldLines,
  queuedLine,
} from './report.ts'
import { latenciesOf } from './statistics.ts'
import type { Snapshot } from './steps.ts'

const lookMs = 50
/** Messages may still come twice for so long after the last one came. */
const afterDrainMs = 300
/** Receivers have been away for so long when the first message is sent to them. */
const awayMs = 500

/** Runs one mode against the broker, and prints the lines of its report as they are known. Rejects
 * when the broker refuses a client, or does not answer. */
export async function runLoad(options: LoadOptions, print: Print): Promise<void> {
  const crew = makeCrew(options)
  try {
    const pids = options.pid.split(',').map(Number).filter(Boolean)
    const run = runs[options.mode]
    if (run === undefined) throw new Error(`there is no mode ${options.mode}`)
    await run({ options, crew, pids, print })
  } finally {
    await crew.close()
  }
}

type Print = (line: string) => void

interface Run {
  readonly options: LoadOptions
  readonly crew: Crew
  readonly pids: readonly number[]
  readonly print: Print
}

const runs: Readonly<Record<string, (run: Run) => Promise<void>>> = {
  pair: runFlow,
  group: runFlow,
  idle: runIdle,
  offline: runOffline,
}

async function runFlow({ options, crew, pids, print }: Run): Promise<void> {
  const isGroup = options.mode === 'group'
  const senders = isGroup ? options.groups : options.n
  const members = isGroup ? options.members : 1
  const begin = microseconds()
  await crew.step('connect')
  print(connectedLine(senders * (members + 1), secondsSince(begin)))

  await crew.step('start', microseconds())
  await wait(options.warm)
  const before = await crew.step('measure')
  const cpuBefore = cpuSeconds(pids)
  const measureBegin = microseconds()
  await wait(options.dur)
  const after = await crew.step('rest')
  const cpu = cpuSeconds(pids) - cpuBefore
  const seconds = secondsSince(measureBegin)

  const stopped = await crew.step('stop')
  const expected = stopped.sent.sent * members
  const isComplete = ({ sent, received }: Snapshot): boolean =>
    received.delivered >= expected && (options.qos === 0 || sent.acknowledged >= sent.sent)
  const end = await drain(crew, isComplete, options.drain)
  const lines = flowLines({
    seconds,
    acknowledgedPerSecond: (after.sent.acknowledged - before.sent.acknowledged) / seconds,
    deliveredPerSecond: (after.received.delivered - before.received.delivered) / seconds,
    cpuSeconds: cpu,
    rssKib: residentKib(pids),
    acknowledgement: latenciesOf(end.sent.latencies),
    delivery: latenciesOf(end.received.latencies),
    sent: end.sent.sent,
    acknowledged: end.sent.acknowledged,
    expected,
    delivered: end.received.delivered,
    duplicates: end.received.duplicates,
    outOfOrder: end.received.outOfOrder,
    unreadable: end.received.unreadable,
    dead: end.dead,
  })
  for (const line of lines) print(line)
}

async function runIdle({ options, crew, pids, print }: Run): Promise<void> {
  const before = residentKib(pids)
  const begin = microseconds()
  await crew.step('connect')
  print(idleConnectedLine(options.n, secondsSince(begin)))
  await wait(options.hold)
  const { dead } = await crew.step('look')
  for (const line of idleHeldLines(options.n, { before, after: residentKib(pids) }, dead)) {
    print(line)
  }
}

async function runOffline({ options, crew, pids, print }: Run): Promise<void> {
  await crew.step('away')
  await wait(awayMs)
  const queueBegin = microseconds()
  const { sent } = await crew.step('queue')
  print(queuedLine(sent.acknowledged, secondsSince(queueBegin), residentKib(pids)))

  const wanted = options.n * options.count
  const drainBegin = microseconds()
  await crew.step('drain')
  const { received } = await drain(
    crew,
    (snapshot) => snapshot.received.delivered >= wanted,
    options.drain,
  )
  print(
    drainedLine({
      delivered: received.delivered,
      wanted,
      seconds: (received.lastAt - drainBegin) / 1e6,
      duplicates: received.duplicates,
      outOfOrder: received.outOfOrder,
      rssKib: residentKib(pids),
    }),
  )
}

/** Looks until the load is complete, or the time is over, and then a last time. */
async function drain(
  crew: Crew,
  isComplete: (snapshot: Snapshot) => boolean,
  msMax: number,
): Promise<Snapshot> {
  const deadline = performance.now() + msMax
  let snapshot = await crew.step('look')
  while (!isComplete(snapshot) && performance.now() < deadline) {
    await wait(lookMs)
    snapshot = await crew.step('look')
  }
  await wait(afterDrainMs)
  return crew.step('look')
}

function secondsSince(begin: number): number {
  return (microseconds() - begin) / 1e6
}
