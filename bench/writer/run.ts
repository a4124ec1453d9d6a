// One measurement, in a process of its own: `run.js <host> <load>` prints the figures as JSON.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { NewEntry } from '../../protocol/entry.ts'
import type { HostName } from './hosts.ts'
import { openHost } from './hosts.ts'
import type { Load } from './load.ts'
import { loads, makeCollector, repeat } from './load.ts'

/** CPU in µs per row; latency and lag in ms. */
export interface Figures {
  rowsPerSecond: number
  mainCpu: number
  totalCpu: number
  latency50: number
  latency99: number
  lag50: number
  lag99: number
  lagMax: number
  read99: number
}

const warmUpMs = 500
const measureMs = 1700
const conversations = 200

const [hostName, loadName] = process.argv.slice(2)
const load = loads.find(({ name }) => name === loadName)
if (load === undefined) throw new Error('usage: run.js <host> <load>')
// Not in /tmp, which may lie in memory.
const folder = mkdtempSync(join(process.cwd(), '.bench-writer-'))
try {
  console.log(JSON.stringify(await measure(hostName as HostName, load)))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measure(name: HostName, load: Load): Promise<Figures> {
  const { store, append, close } = await openHost(name, folder)
  await store.users.createUser('u', undefined)
  for (let n = 0; n < conversations; n++) {
    await store.conversations.createGroup({ group: `c${n}`, title: 'c', owner: 'u', members: [] })
  }
  const state = { rows: 0, latencies: [] as number[], reads: [] as number[], isStopped: false }
  const submit = makeCollector(append)
  let sent = 0
  const one = async (): Promise<void> => {
    const start = performance.now()
    await submit(message(sent++))
    state.rows++
    state.latencies.push(performance.now() - start)
  }
  const stop = startLoad(load, one, () => state.isStopped)
  const page = async (): Promise<void> => {
    const start = performance.now()
    const conversation = `g:c${Math.floor(Math.random() * conversations)}`
    await store.log.read(conversation, { limit: 50, newestFirst: true })
    state.reads.push(performance.now() - start)
  }
  const stopReads = repeat(load.readsPerSecond, () => void page())

  await new Promise((resolve) => setTimeout(resolve, warmUpMs))
  Object.assign(state, { rows: 0, latencies: [], reads: [] })
  const lag = monitorEventLoopDelay({ resolution: 1 })
  lag.enable()
  const start = performance.now()
  const cpu = process.cpuUsage()
  const mainBefore = mainThreadMicros()
  await new Promise((resolve) => setTimeout(resolve, measureMs))
  const main = mainThreadMicros() - mainBefore
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - start) / 1000
  const rows = state.rows
  lag.disable()
  state.isStopped = true
  stop()
  stopReads()
  await submit(message(sent++))
  await close()
  return {
    rowsPerSecond: rows / seconds,
    mainCpu: main / rows,
    totalCpu: (user + system) / rows,
    latency50: quantile(state.latencies, 0.5),
    latency99: quantile(state.latencies, 0.99),
    // The monitor's own timer takes its resolution of 1 ms.
    lag50: Math.max(0, lag.percentile(50) / 1e6 - 1),
    lag99: Math.max(0, lag.percentile(99) / 1e6 - 1),
    lagMax: Math.max(0, lag.max / 1e6 - 1),
    read99: quantile(state.reads, 0.99),
  }
}

function startLoad(load: Load, one: () => Promise<void>, isStopped: () => boolean): () => void {
  const caller = async (): Promise<void> => {
    while (!isStopped()) await one()
  }
  for (let n = 0; n < load.callers; n++) void caller()
  return repeat(load.perSecond, () => void one())
}

function message(n: number): NewEntry {
  const fields = `"text":"${'x'.repeat(280)}"`
  return {
    conversation: `g:c${n % conversations}`,
    from: 'u',
    body: { kind: 'text', messageId: `message-${n}`, fields },
  }
}

/** CPU time of the main thread, µs, where Linux tells it; NaN elsewhere. */
function mainThreadMicros(): number {
  try {
    const [nanos] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')
    return Number(nanos) / 1000
  } catch {
    return Number.NaN
  }
}

function quantile(values: number[], q: number): number {
  values.sort((a, b) => a - b)
  return values[Math.min(values.length - 1, Math.floor(values.length * q))] ?? Number.NaN
}
