// Writes that came at the same time are committed together: a commit costs more than most writes.

import { StoreFailure } from '../../protocol/failure.ts'
import type { SqlDriver } from './driver.ts'
import type { Writes } from './operations.ts'
import { makeWrites } from './operations.ts'
import { makeTransactions } from './transaction.ts'

/** A write that waits for its turn. */
export type Call = (writes: Writes) => unknown

export type Outcome = { readonly value: unknown } | { readonly error: unknown }

/** Runs the calls in order on this connection, which must be the only one that writes. Each is all
 * or none by itself, and durable when its outcome is returned. */
export type CommitGroup = (calls: readonly Call[]) => readonly Outcome[]

export function makeCommitGroup(driver: SqlDriver): CommitGroup {
  const { transact, together } = makeTransactions(driver)
  let writes = makeWrites(driver, transact)

  const run = (call: Call): Outcome => {
    try {
      return { value: call(writes) }
    } catch (error) {
      return { error }
    }
  }

  /** The store fails: nothing of the group may stay. */
  const runPart = (call: Call): Outcome => {
    const outcome = run(call)
    if ('error' in outcome && outcome.error instanceof StoreFailure) throw outcome.error
    return outcome
  }

  return (calls) => {
    if (calls.length === 1) return calls.map(run)
    try {
      return together(() => calls.map(runPart))
    } catch {
      // What was remembered of rows that are not there any more must be forgotten.
      writes = makeWrites(driver, transact)
      return calls.map(run)
    }
  }
}
