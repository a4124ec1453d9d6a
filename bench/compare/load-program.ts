// Runs a load program beside a broker: reads its report line by line, and watches meanwhile what
// the broker's processes, and the program itself, cost the machine.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Part } from '../contenders/contender.ts'
import { cpuSeconds, residentKib } from '../load/processes.ts'
import { type Figures, readLine } from '../load/report.ts'

const ownProgram = fileURLToPath(new URL('../load/main.js', import.meta.url))
const watchMs = 100
/** Parts that are no brokers. */
const engines: ReadonlySet<string> = new Set(['redis-server', 'mongod'])

/** The command of our own generator. */
export const ownCommand: readonly string[] = [process.execPath, ownProgram]

export interface LoadRequest {
  readonly command: readonly string[]
  readonly words: readonly string[]
  /** The broker's processes, which are watched. */
  readonly parts: readonly Part[]
  /** Called with each line of the report. */
  readonly onLine?: (line: string) => void
  readonly signal?: AbortSignal
}

/** CPU time so far, s, at a moment, s. */
interface Reading {
  readonly at: number
  readonly broker: readonly number[]
  readonly generator: number
}

/** The figures of the report, and besides:
 * `rssPeak` of the broker, MiB; `generatorCores`, from the first line to the end of the load;
 * `cpu:<part>`, the part's CPU µs per delivery, where there are several, and `cpuBrokers`, that of
 * the brokers among them; `connectCpu`, µs for each
 * connection of `idle`; `drainCpu`, µs for each message drained of `offline`.
 * Rejects when the program fails; a program ended by the signal has not. */
export async function runLoadProgram(request: LoadRequest): Promise<Figures> {
  const { command, words, parts, signal } = request
  const [program = '', ...first] = command
  const child = spawn(program, [...first, ...words, '-pid', parts.map(({ pid }) => pid).join()], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal === undefined ? {} : { signal }),
  })
  let complaints = ''
  child.stderr.on('data', (text: Buffer) => {
    complaints = (complaints + text.toString()).slice(-1000)
  })
  // An aborted child says so here; its exit is awaited below.
  child.on('error', (error) => {
    complaints += error.message
  })
  const read = (): Reading => ({
    at: performance.now() / 1000,
    broker: parts.map(({ pid }) => cpuSeconds([pid])),
    generator: cpuSeconds([child.pid ?? 0]),
  })
  const readings = new Map<string, Reading>([['start', read()]])
  let figures: Figures = {}
  const rss = watchPeak(parts)
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => {
    const [word = ''] = line.split(' ')
    readings.set(word, read())
    figures = { ...figures, ...readLine(line) }
    request.onLine?.(line)
  })
  // Not `once`, which an aborted child rejects before it has ended.
  const code = await new Promise((resolve) => child.on('close', resolve))
  const rssPeak = rss.stop()
  if (code !== 0 && !signal?.aborted) throw new Error(`the load failed: ${complaints.trim()}`)
  return { ...figures, rssPeak, ...derive(figures, readings, parts) }
}

/** Watches the memory of processes; `stop` returns the most they had together, MiB. */
function watchPeak(parts: readonly Part[]): { stop(): number } {
  const pids = parts.map(({ pid }) => pid)
  let peak = 0
  const look = (): void => {
    peak = Math.max(peak, residentKib(pids) / 1024)
  }
  const timer = setInterval(look, watchMs)
  return {
    stop() {
      clearInterval(timer)
      look()
      return peak
    },
  }
}

function derive(
  figures: Figures,
  readings: ReadonlyMap<string, Reading>,
  parts: readonly Part[],
): Figures {
  const derived: Record<string, number> = {}
  const cpuBetween = (from: string, to: string): readonly number[] | undefined => {
    const [a, b] = [readings.get(from), readings.get(to)]
    return a && b && parts.map((_, index) => (b.broker[index] ?? 0) - (a.broker[index] ?? 0))
  }
  const total = (cpu: readonly number[] | undefined): number =>
    cpu?.reduce((a, b) => a + b, 0) ?? Number.NaN

  const [first, last] = [readings.get('connected'), readings.get('published')]
  if (first && last) {
    derived.generatorCores = (last.generator - first.generator) / (last.at - first.at)
  }
  const shares = cpuBetween('connected', 'published')
  if (parts.length > 1 && shares && figures.cpu !== undefined) {
    for (const [index, { name }] of parts.entries()) {
      derived[`cpu:${name}`] = (figures.cpu * (shares[index] ?? 0)) / total(shares)
    }
    const brokers = parts.map(({ name }) => (engines.has(name) ? 0 : derived[`cpu:${name}`]))
    derived.cpuBrokers = brokers.reduce<number>((sum, cpu) => sum + (cpu ?? 0), 0)
  }
  if (figures.connections !== undefined) {
    const cpu = total(cpuBetween('start', 'connected+subscribed'))
    derived.connectCpu = (1e6 * cpu) / figures.connections
  }
  if (figures.draining !== undefined) {
    derived.drainCpu = (1e6 * total(cpuBetween('queued', 'drained'))) / (figures.delivered ?? 0)
  }
  return derived
}
