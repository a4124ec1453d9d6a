// The tiny interface every SQL statement of this plugin goes through, and the one place where an
// engine's error becomes a failure that may pass, or stays a bug. The engines stand in
// driver-node.ts and driver-libsql.ts. Everything here is synchronous.

import { StoreFailure } from '../../protocol/failure.ts'

/** What may be bound to a parameter. */
export type SqlValue = string | number | bigint | Buffer | null

/** A prepared statement. Parameters are bound by their order. */
export interface SqlStatement<Row> {
  /** Runs it; `changes` is the number of rows inserted, updated or deleted. */
  run(params: readonly SqlValue[]): { readonly changes: number }
  /** The first row, or undefined. */
  get(params: readonly SqlValue[]): Row | undefined
  /** All rows. */
  all(params: readonly SqlValue[]): Row[]
}

export type DriverName = 'node' | 'libsql'

/** One connection to one database file. All methods throw `SqliteFailure` for what may pass by
 * itself and `SqliteError` for the rest. */
export interface SqlDriver {
  readonly name: DriverName
  /** Runs statements separated by semicolons, without results. */
  exec(sql: string): void
  /** Prepares one statement. `Row` is the caller's word for what the columns hold. */
  prepare<Row = unknown>(sql: string): SqlStatement<Row>
  close(): void
}

/** An error of the engine that will not pass by itself: a constraint, a syntax error, a corrupt
 * file. `code` is SQLite's extended result code (https://sqlite.org/rescode.html). */
export class SqliteError extends Error {
  readonly code: number

  constructor(code: number, cause: Error) {
    super(cause.message, { cause })
    this.name = 'SqliteError'
    this.code = code
  }
}

/** A failure of the engine that may pass by itself; `code` as in `SqliteError`. */
export class SqliteFailure extends StoreFailure {
  readonly code: number

  constructor(code: number, cause: Error) {
    super(`SQLite: ${cause.message} (result code ${code})`, cause)
    this.name = 'SqliteFailure'
    this.code = code
  }
}

/** Primary result codes by their names in SQLite's documentation. */
export const resultCodes = {
  permission: 3,
  busy: 5,
  locked: 6,
  outOfMemory: 7,
  readOnly: 8,
  ioError: 10,
  full: 13,
  cannotOpen: 14,
  lockProtocol: 15,
} as const

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
export const damageCodes: ReadonlySet<number> = new Set([11, 26])

const passing: ReadonlySet<number> = new Set(Object.values(resultCodes))

/** Runs a call of the engine; what it throws leaves as `SqliteFailure` or `SqliteError`. `codeOf`
 * finds the result code in the engine's own error; an error without one is no answer of SQLite's
 * and stays as it is. */
export function attempt<Result>(codeOf: (error: unknown) => unknown, call: () => Result): Result {
  try {
    return call()
  } catch (error) {
    const code = codeOf(error)
    if (!(error instanceof Error) || typeof code !== 'number') throw error
    throw passing.has(code & 0xff) ? new SqliteFailure(code, error) : new SqliteError(code, error)
  }
}
