// One process and nothing else: SQLite, the keys and the token of the administrator in the data
// folder, plain topics in memory.

import type { Settings } from '../config/schema.ts'
import { makePlainPersistence } from '../plugins/aedes-persistence/memory.ts'
import { loadAdminToken, loadKeys } from '../plugins/keys-file/keys-file.ts'
import { openSqliteStore } from '../plugins/store-sqlite/store.ts'
import { systemClock } from '../protocol/clock.ts'
import { makeLog } from '../services/log/log.ts'
import type { Platform, PlatformParts } from './platform.ts'
import { plainLimitsOf } from './platform.ts'

/** Rejects as `openSqliteStore` does. */
export async function openEmbedded(settings: Settings, parts: PlatformParts): Promise<Platform> {
  const store = await openSqliteStore({
    folder: settings.data,
    clock: systemClock,
    failed: parts.storeFailed,
  })
  return {
    store,
    makeLog: (logParts, options) => makeLog({ ...logParts, store: store.log }, options),
    jobs: store.jobs,
    plainPersistence: makePlainPersistence(plainLimitsOf(settings), parts.logger),
    loadKeys: () => loadKeys(settings.data),
    loadAdminToken: () => loadAdminToken(settings.data),
    degraded: () => [],
    close: () => store.close(),
  }
}
