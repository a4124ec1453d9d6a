// Transactions: all of the work is durable when it returns, or none of it was done.

import type { SqlDriver } from './driver.ts'

/** Runs work in one transaction and returns its result after the commit. Whatever fails, in the
 * work or in the commit, is thrown after everything was rolled back. */
export type Transact = <Result>(work: () => Result) => Result

/** Makes the function that runs transactions on this connection. They do not nest. */
export function makeTransact(driver: SqlDriver): Transact {
  // IMMEDIATE takes the write lock at once, so that a locked database fails before any work.
  const begin = driver.prepare('BEGIN IMMEDIATE')
  const commit = driver.prepare('COMMIT')
  const rollback = driver.prepare('ROLLBACK')
  const undo = (): void => {
    try {
      rollback.run([])
    } catch {
      // After a full disk or a failed write SQLite has rolled back by itself, and there is
      // nothing left to undo. The first error is the one to report.
    }
  }
  return (work) => {
    begin.run([])
    try {
      const result = work()
      commit.run([])
      return result
    } catch (error) {
      undo()
      throw error
    }
  }
}
