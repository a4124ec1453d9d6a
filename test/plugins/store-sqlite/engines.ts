// The ways this runtime can run the SQLite store, for tests that hold for each of them.

import type { Test } from 'tap'
import { loadDriver } from '../../../plugins/store-sqlite/connect.ts'
import type { DriverName } from '../../../plugins/store-sqlite/driver.ts'
import type { SqliteStore, SqliteStoreOptions } from '../../../plugins/store-sqlite/store.ts'
import { openSqliteStore } from '../../../plugins/store-sqlite/store.ts'

/** Runs the test for each driver of this runtime. `node:sqlite` came with Node 22.13: `.ci/run`
 * runs these tests on a newer one as well. */
export async function forEachDriver(
  t: Test,
  test: (t: Test, driver: DriverName) => Promise<void>,
): Promise<void> {
  const drivers: readonly DriverName[] = (await hasNodeSqlite()) ? ['libsql', 'node'] : ['libsql']
  for (const driver of drivers) await t.test(`with ${driver}`, (t) => test(t, driver))
}

/** Runs the test for each driver and each place where writes run. */
export async function forEachEngine(
  t: Test,
  test: (t: Test, engine: Pick<SqliteStoreOptions, 'driver' | 'writer'>) => Promise<void>,
): Promise<void> {
  await forEachDriver(t, async (t, driver) => {
    for (const writer of ['worker', 'inline'] as const) {
      await t.test(`writing ${writer}`, (t) => test(t, { driver, writer }))
    }
  })
}

/** Opens a store that is closed when the test ends, in a new folder unless one is given. */
export async function openStore(
  t: Test,
  options: Partial<SqliteStoreOptions> = {},
): Promise<SqliteStore> {
  const folder = options.folder ?? t.testdir()
  const store = await openSqliteStore({ clock: Date.now, ...options, folder })
  t.teardown(() => store.close())
  return store
}

async function hasNodeSqlite(): Promise<boolean> {
  return loadDriver('node').then(
    () => true,
    () => false,
  )
}
