// The driver over libsql, for runtimes without node:sqlite. A strict wrapper: libsql 0.5 aborts
// the whole process when it is given a value it does not know, so no value reaches it unchecked.

import { StoreFailure } from '../../protocol/failure.ts'
import type { SqlDriver, SqlStatement, SqlValue } from './driver.ts'
import { attempt } from './driver.ts'

interface LibsqlStatement {
  run(params: readonly SqlValue[]): { changes: number }
  all(params: readonly SqlValue[]): Record<string, unknown>[]
}

interface LibsqlDatabase {
  exec(sql: string): void
  prepare(sql: string): LibsqlStatement
  close(): void
}

/** libsql's constructor, as far as it is used here. */
export type LibsqlConstructor = new (file: string) => LibsqlDatabase

/** Loads libsql's native library for this platform. */
export async function loadLibsql(): Promise<LibsqlConstructor> {
  return (await import('libsql')).default as unknown as LibsqlConstructor
}

/** Opens a database file, making it if it is absent. Binding anything but a `SqlValue`, or a
 * string with a NUL (libsql would cut it there), is a TypeError. */
export function openLibsqlDriver(Database: LibsqlConstructor, file: string): SqlDriver {
  const database = connect(Database, file)
  let isClosed = false
  // libsql goes on executing prepared statements after close().
  const assertOpen = (): void => {
    if (isClosed) throw new Error('the database is closed')
  }
  return {
    name: 'libsql',
    exec: (sql) => attempt(codeOf, () => database.exec(sql)),
    prepare: <Row>(sql: string) =>
      wrapStatement<Row>(
        attempt(codeOf, () => database.prepare(sql)),
        assertOpen,
      ),
    close() {
      isClosed = true
      attempt(codeOf, () => database.close())
    },
  }
}

function connect(Database: LibsqlConstructor, file: string): LibsqlDatabase {
  try {
    return new Database(file)
  } catch (error) {
    // This error of libsql carries no result code.
    throw new StoreFailure(`SQLite: cannot open ${file}`, error)
  }
}

function wrapStatement<Row>(statement: LibsqlStatement, assertOpen: () => void): SqlStatement<Row> {
  const all = (params: readonly SqlValue[]): Row[] => {
    assertOpen()
    checkParams(params)
    return attempt(codeOf, () => statement.all(params) as Row[])
  }
  return {
    run(params) {
      assertOpen()
      checkParams(params)
      return attempt(codeOf, () => statement.run(params))
    },
    // Not libsql's own get(): called after all() of the same statement it answers with the row of
    // the parameters before, and it adds a member that is no column.
    get: (params) => all(params)[0],
    all,
  }
}

function checkParams(params: readonly unknown[]): void {
  for (let index = 0; index < params.length; index++) {
    const value = params[index]
    const type = typeof value
    if (type === 'number' || value === null) continue
    if (type === 'string' && !(value as string).includes('\0')) continue
    if (type === 'bigint' && BigInt.asIntN(64, value as bigint) === value) continue
    if (Buffer.isBuffer(value)) continue
    throw new TypeError(`parameter ${index + 1} is not a value SQLite can hold (${type})`)
  }
}

function codeOf(error: unknown): unknown {
  return (error as { rawCode?: unknown }).rawCode
}
