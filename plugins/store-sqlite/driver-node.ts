// The driver over node:sqlite, SQLite as built into Node ≥ 22.13. Loaded only where it exists.

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { SqlDriver, SqlStatement, SqlValue } from './driver.ts'
import { attempt } from './driver.ts'

/** The constructor of node:sqlite; undefined where this runtime has none without a flag. */
export async function loadNodeSqlite(): Promise<typeof DatabaseSync | undefined> {
  try {
    return (await import('node:sqlite')).DatabaseSync
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_UNKNOWN_BUILTIN_MODULE') return undefined
    throw error
  }
}

/** Opens a database file, making it if it is absent. */
export function openNodeDriver(Database: typeof DatabaseSync, file: string): SqlDriver {
  const database = attempt(codeOf, () => new Database(file))
  return {
    name: 'node',
    exec: (sql) => attempt(codeOf, () => database.exec(sql)),
    prepare: <Row>(sql: string) => wrapStatement<Row>(attempt(codeOf, () => database.prepare(sql))),
    close: () => attempt(codeOf, () => database.close()),
  }
}

function wrapStatement<Row>(statement: StatementSync): SqlStatement<Row> {
  return {
    run: (params: readonly SqlValue[]) =>
      attempt(codeOf, () => ({ changes: Number(statement.run(...params).changes) })),
    get: (params: readonly SqlValue[]) =>
      attempt(codeOf, () => statement.get(...params) as Row | undefined),
    all: (params: readonly SqlValue[]) => attempt(codeOf, () => statement.all(...params) as Row[]),
  }
}

function codeOf(error: unknown): unknown {
  return (error as { errcode?: unknown }).errcode
}
