// The MongoDB store for tests: each in a database of its own, closed when the test ends.

import type { Test } from 'tap'
import { makeMessages, makeToken } from '../../../plugins/store-mongo/messages.ts'
import { makePackets } from '../../../plugins/store-mongo/packets.ts'
import type { MongoStore, MongoStoreOptions } from '../../../plugins/store-mongo/store.ts'
import { openMongoStore } from '../../../plugins/store-mongo/store.ts'
import { systemClock } from '../../../protocol/clock.ts'
import { makeLocks } from '../../../services/delivery/locks.ts'
import { makeStoreSequencer } from '../../../services/log/positions/fallback.ts'
import type { PositionLog } from '../../../services/log/positions/position-log.ts'
import { makePositionLog } from '../../../services/log/positions/position-log.ts'

export const silent = { debug() {}, info() {}, warn() {}, error() {} }

export interface MongoEngine extends MongoStore {
  readonly log: PositionLog
  readonly isPerEntry: true
}

/** Opens a store that is closed when the test ends, with a log whose positions come from the
 * store's own head. */
export async function openStore(
  t: Test,
  url: string,
  options: Partial<MongoStoreOptions> = {},
): Promise<MongoEngine> {
  const store = await openMongoStore({ clock: systemClock, logger: silent, ...options, url })
  t.teardown(() => store.close())
  return { ...store, log: makeLog(store), isPerEntry: true }
}

function makeLog({ db }: MongoStore): PositionLog {
  const store = { ...makeMessages(db), ...makePackets(db) }
  return makePositionLog(
    {
      store,
      sequencer: makeStoreSequencer(store),
      withLock: makeLocks(),
      makeToken,
      clock: systemClock,
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      failed() {},
      worked() {},
    },
    { waitMs: 5000, fillAfterMs: 1000 },
  )
}
