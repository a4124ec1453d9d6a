// Opens connections the way every file of this plugin wants them: the engine this runtime has,
// write-ahead logging, a full sync at every commit, and no waiting for locks on the event loop.

import type { DriverName, SqlDriver } from './driver.ts'
import { loadLibsql, openLibsqlDriver } from './driver-libsql.ts'
import { loadNodeSqlite, openNodeDriver } from './driver-node.ts'

/** Opens a database file, with settings of the engine's own. */
export type OpenDriver = (file: string) => SqlDriver

/** The named engine, or by default node:sqlite where this runtime has it, else libsql. Rejects
 * when the named engine is not there. */
export async function loadDriver(name?: DriverName): Promise<OpenDriver> {
  if (name !== 'libsql') {
    const NodeDatabase = await loadNodeSqlite()
    if (NodeDatabase !== undefined) return (file) => openNodeDriver(NodeDatabase, file)
    if (name === 'node') throw new Error('this runtime has no node:sqlite')
  }
  const LibsqlDatabase = await loadLibsql()
  return (file) => openLibsqlDriver(LibsqlDatabase, file)
}

/** Bounds of a connection to the store's database. */
export interface ConnectionLimits {
  /** Most pages of 4 KiB the database may grow to; unbounded when absent. */
  readonly pagesMax?: number | undefined
}

// 8000 pages are 32 MB: fewer, longer checkpoints were worth 20 % of the CPU of an append.
const checkpointPages = 8000
const cacheKib = 64 * 1024
const walBytesKept = 64 * 1024 * 1024

/** Opens the store's database, WAL with synchronous=FULL: a commit is on the disk when it
 * returns. A locked database fails at once (busy_timeout 0); the caller tries again. */
export function connect(open: OpenDriver, file: string, limits: ConnectionLimits): SqlDriver {
  const driver = open(file)
  try {
    driver.exec(`
      PRAGMA busy_timeout = 0;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA foreign_keys = ON;
      PRAGMA wal_autocheckpoint = ${checkpointPages};
      PRAGMA journal_size_limit = ${walBytesKept};
      PRAGMA cache_size = -${cacheKib};
      PRAGMA temp_store = MEMORY;
    `)
    if (limits.pagesMax !== undefined) driver.exec(`PRAGMA max_page_count = ${limits.pagesMax}`)
    return driver
  } catch (error) {
    driver.close()
    throw error
  }
}
