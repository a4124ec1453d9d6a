// One folder, one process. An exclusive transaction on a small database of its own is held while
// the store is open; the operating system ends it with the process, however that dies.

import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import type { OpenDriver } from './connect.ts'
import { resultCodes, SqliteFailure } from './driver.ts'

/** Another process (or another store of this one) has the folder open. */
export class FolderInUse extends Error {
  constructor(folder: string) {
    super(`the data folder ${folder} is in use by another process`)
    this.name = 'FolderInUse'
  }
}

/** Takes the folder and returns the function that gives it back. Throws `FolderInUse` when it is
 * taken, `StoreFailure` when the folder cannot be written. */
export function lockFolder(open: OpenDriver, folder: string): () => void {
  // Nothing but SQLite may open lock.db: closing any descriptor of a file drops all POSIX locks
  // this process has on it.
  const file = join(folder, 'lock.db')
  const driver = open(file)
  try {
    chmodSync(file, 0o600)
    driver.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE')
  } catch (error) {
    driver.close()
    const isTaken = error instanceof SqliteFailure && (error.code & 0xff) === resultCodes.busy
    throw isTaken ? new FolderInUse(folder) : error
  }
  return () => {
    driver.exec('ROLLBACK')
    driver.close()
  }
}
