// Runs the cases: several rounds, in each every case, in each case the contenders one after the
// other on a machine that does nothing else; and the medians of the rounds.

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Contender, RunningContender } from '../contenders/contender.ts'
import type { Figures } from '../load/report.ts'
import { median } from '../load/statistics.ts'
import type { Bench, Case } from './case.ts'
import { ownCommand, runLoadProgram } from './load-program.ts'

export interface Plan {
  readonly cases: readonly Case[]
  readonly contenders: readonly Contender[]
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds: number
  /** The command of the load program. */
  readonly command: readonly string[]
  /** Where contenders keep their data; it exists. */
  readonly folder: string
  readonly progress: (text: string) => void
}

/** What was found of one case. */
export interface CaseResult {
  readonly of: Case
  /** Medians by contender, in the order of the contenders. */
  readonly medians: ReadonlyMap<string, Figures>
  /** What went wrong, a line for each. */
  readonly failures: readonly string[]
}

/** Faults are added up over the rounds: a median would hide them. */
const faults = new Set(['lost', 'duplicates', 'outOfOrder', 'unreadable', 'dead', 'failed'])

/** Runs the plan. A contender that fails in a round, or dies in it, leaves a line in the case's
 * failures. When `signal` is aborted it stops what runs, and rejects. */
export async function runPlan(plan: Plan, signal: AbortSignal): Promise<readonly CaseResult[]> {
  const runs = new Map<string, Figures[]>()
  const failures = new Map<string, string[]>()
  for (let round = 0; round < plan.rounds; round++) {
    for (const { of, contender } of pairings(plan)) {
      const key = `${of.name}|${contender.name}`
      const place = `round ${round + 1}/${plan.rounds} ${of.name} ${contender.name}`
      try {
        const figures = await runCase(plan, { of, contender, round }, signal)
        runs.set(key, [...(runs.get(key) ?? []), figures])
        plan.progress(`${place}: ${summary(of, figures)}`)
      } catch (error) {
        signal.throwIfAborted()
        const text = `${place}: ${(error as Error).message}`
        failures.set(of.name, [...(failures.get(of.name) ?? []), text])
        plan.progress(text)
      }
    }
  }
  return plan.cases.map((of) => ({
    of,
    medians: new Map(
      plan.contenders.flatMap(({ name }) => {
        const found = runs.get(`${of.name}|${name}`)
        return found === undefined ? [] : [[name, mediansOf(found)] as const]
      }),
    ),
    failures: failures.get(of.name) ?? [],
  }))
}

interface Pairing {
  readonly of: Case
  readonly contender: Contender
}

function pairings({ cases, contenders }: Plan): readonly Pairing[] {
  return cases.flatMap((of) =>
    contenders
      .filter(({ name }) => of.contenders.includes(name))
      .map((contender) => ({ of, contender })),
  )
}

async function runCase(
  plan: Plan,
  { of, contender, round }: Pairing & { readonly round: number },
  signal: AbortSignal,
): Promise<Figures> {
  const folder = join(plan.folder, 'contender')
  mkdirSync(folder)
  let running: RunningContender | undefined
  try {
    running = await contender.start(of.population, folder)
    // A load would wait in vain, and for long, for a contender that died.
    const either = AbortSignal.any([signal, running.died])
    either.throwIfAborted()
    return await of.run(makeBench(plan, { contender, running, round }, either))
  } finally {
    await running?.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }
}

function makeBench(
  { command, seconds, warmSeconds }: Plan,
  place: Pick<Bench, 'contender' | 'running' | 'round'>,
  signal: AbortSignal,
): Bench {
  const { address, parts, usersFile } = place.running
  const common = ['-addr', address, ...(usersFile === undefined ? [] : ['-users', usersFile])]
  return {
    ...place,
    seconds,
    warmSeconds,
    async load(words) {
      const load = { command, words: [...common, ...words], parts, signal }
      const figures = await runLoadProgram(load)
      signal.throwIfAborted()
      return figures
    },
    async beside(words, work) {
      const stopping = new AbortController()
      const either = AbortSignal.any([signal, stopping.signal])
      let begun = (): void => {}
      const beginning = new Promise<void>((resolve) => {
        begun = resolve
      })
      const other = runLoadProgram({
        command: ownCommand,
        words: [...common, ...words],
        parts: [],
        onLine: begun,
        signal: either,
      })
      try {
        await Promise.race([beginning, other])
        return await work()
      } finally {
        stopping.abort()
        await other
      }
    },
  }
}

/** The medians of the rounds' figures; of faults, the sum. */
export function mediansOf(rounds: readonly Figures[]): Figures {
  const names = new Set(rounds.flatMap((figures) => Object.keys(figures)))
  const entries = [...names].map((name) => {
    const values = rounds.flatMap((figures) => figures[name] ?? [])
    return [name, faults.has(name) ? values.reduce((a, b) => a + b, 0) : median(values)] as const
  })
  return Object.fromEntries(entries)
}

function summary({ columns }: Case, figures: Figures): string {
  return columns
    .filter(({ figure }) => figures[figure] !== undefined)
    .map(({ title, figure, digits }) => `${title} ${(figures[figure] ?? 0).toFixed(digits)}`)
    .join(', ')
}
