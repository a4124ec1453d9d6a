// Transactions: all of the work is durable when it returns, or none of it was done. Several can be
// made durable together: each is still all or none by itself, and one commit is paid for all.

import type { SqlDriver } from './driver.ts'

/** Runs work in one transaction and returns its result after the commit. Whatever fails, in the
 * work or in the commit, is thrown after everything was rolled back. */
export type Transact = <Result>(work: () => Result) => Result

/** Makes the function that runs transactions on this connection. They do not nest. */
export function makeTransact(driver: SqlDriver): Transact {
  // IMMEDIATE takes the write lock at once, so that a locked database fails before any work.
  return makeRunner(driver, { begin: 'BEGIN IMMEDIATE', end: 'COMMIT', undo: ['ROLLBACK'] })
}

export interface Transactions {
  /** As of `makeTransact`; within `together` it is a part of that, durable when that is. */
  readonly transact: Transact
  /** Makes the transactions in its work durable together, when it ends. What one of them throws
   * undoes that one; what the work throws undoes all. */
  readonly together: Transact
}

/** Makes the functions that run transactions on this connection, alone or together. */
export function makeTransactions(driver: SqlDriver): Transactions {
  const whole = makeTransact(driver)
  const part = makeRunner(driver, {
    begin: 'SAVEPOINT part',
    end: 'RELEASE part',
    undo: ['ROLLBACK TO part', 'RELEASE part'],
  })
  let run = whole
  return {
    transact: (work) => run(work),
    together: (work) =>
      whole(() => {
        run = part
        try {
          return work()
        } finally {
          run = whole
        }
      }),
  }
}

interface Statements {
  readonly begin: string
  readonly end: string
  readonly undo: readonly string[]
}

function makeRunner(driver: SqlDriver, statements: Statements): Transact {
  const begin = driver.prepare(statements.begin)
  const end = driver.prepare(statements.end)
  const undoing = statements.undo.map((text) => driver.prepare(text))
  const undo = (): void => {
    try {
      for (const statement of undoing) statement.run([])
    } catch {
      // After a full disk or a failed write SQLite has rolled back by itself, and there is
      // nothing left to undo. The first error is the one to report.
    }
  }
  return (work) => {
    begin.run([])
    try {
      const result = work()
      end.run([])
      return result
    } catch (error) {
      undo()
      throw error
    }
  }
}
