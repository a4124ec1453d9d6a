// A store that fails: another connection keeps the database to itself.

import { join } from 'node:path'
import { loadDriver } from '../../plugins/store-sqlite/connect.ts'

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

/** Keeps the server of this data folder from writing until the function it returns is called, or
 * the test ends. */
export async function lockDatabase(t: Owner, data: string): Promise<() => void> {
  const open = await loadDriver()
  const driver = open(join(data, 'parley.db'))
  driver.exec('PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE')
  let isHeld = true
  const release = () => {
    if (isHeld) driver.exec('ROLLBACK')
    if (isHeld) driver.close()
    isHeld = false
  }
  t.teardown(release)
  return release
}
