// Runs many histories of a theme, and says how to replay the first that violates something.
// PARLEY_TEST_SEED is the first seed, PARLEY_TEST_HISTORIES how many; with one, its trace is
// printed.

import { createHash } from 'node:crypto'
import type { History, HistoryOptions } from './history.ts'
import { runHistory } from './history.ts'

export interface Failure {
  readonly seed: number
  readonly violations: readonly string[]
  /** The command that shows the whole history. */
  readonly replay: string
}

/** How long the histories of a theme may take, ms: on a busy machine longer than tap allows. */
export const historiesMsMax = 300_000

const firstSeed = Number(process.env.PARLEY_TEST_SEED ?? 1)

/** Runs `count` histories, or as many as the environment says; resolves with the first failure,
 * undefined if there is none. */
export async function runHistories(
  count: number,
  options: Omit<HistoryOptions, 'seed'>,
): Promise<Failure | undefined> {
  const { name } = options.theme
  const histories = Number(process.env.PARLEY_TEST_HISTORIES ?? count)
  let seed = firstSeed
  // What no checker sees, an error that nobody catches, needs the seed too.
  const tell = () => console.error(`in history ${seed} of ${name}`)
  process.once('uncaughtExceptionMonitor', tell)
  try {
    for (; seed < firstSeed + histories; seed++) {
      const { violations, trace } = await runHistory({ ...options, seed })
      if (histories === 1) console.error(trace.join('\n'))
      if (violations.length > 0) {
        const environment = `PARLEY_TEST_SEED=${seed} PARLEY_TEST_HISTORIES=1`
        const replay = `${environment} node build/test/sim/${name}.test.js`
        return { seed, violations: violations.slice(0, 10), replay }
      }
    }
  } finally {
    process.removeListener('uncaughtExceptionMonitor', tell)
  }
  return undefined
}

/** A digest of everything that happened. */
export function digest({ trace }: History): string {
  return createHash('sha256').update(trace.join('\n')).digest('hex')
}
