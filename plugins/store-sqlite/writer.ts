// Where the writes run, as the store sees it; and the writer that runs them right here.

import type { SqlDriver } from './driver.ts'
import type { Writes } from './operations.ts'
import { closeDriver, makeWrites } from './operations.ts'
import { makeTransact } from './transaction.ts'

/** Runs writes in the order they were asked for, one at a time. */
export interface Writer {
  /** Whether it uses another connection than the reads, which must then be closed as well. */
  readonly hasOwnConnection: boolean
  /** Resolves when the write is durable; rejects with what it threw. */
  run<Name extends keyof Writes>(
    name: Name,
    ...args: Parameters<Writes[Name]>
  ): Promise<ReturnType<Writes[Name]>>
  /** Resolves with the reason if the writer ends by itself, after which every write rejects. */
  readonly died: Promise<Error>
  /** Ends after the writes already asked for. */
  close(): Promise<void>
}

/** Calls one of the writes by its name. */
export function callWrite(writes: Writes, name: keyof Writes, args: readonly unknown[]): unknown {
  return (writes[name] as (...args: readonly unknown[]) => unknown)(...args)
}

/** The writer on this thread: each write, its wait for the disk included, holds the event loop. */
export function makeInlineWriter(driver: SqlDriver): Writer {
  const writes = makeWrites(driver, makeTransact(driver))
  return {
    hasOwnConnection: false,
    died: new Promise(() => {}),
    async run<Name extends keyof Writes>(name: Name, ...args: Parameters<Writes[Name]>) {
      return callWrite(writes, name, args) as ReturnType<Writes[Name]>
    },
    async close() {
      closeDriver(driver)
    },
  }
}
