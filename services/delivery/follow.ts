// A change of membership on its way to the sessions that are connected: tried again while the store
// fails, as a message is.

import type { MembershipChange } from '../conversations/conversations.ts'
import type { Log } from '../log/log.ts'
import type { Engine } from './engine.ts'

/** Brings a change to the connected sessions. Rejects with `StoreFailure` when the store did not
 * work in time: they follow when they reconnect. */
export type Follow = (change: MembershipChange) => Promise<void>

interface FollowParts {
  readonly membershipChanged: Engine['membershipChanged']
  readonly attempt: Log['attempt']
}

export function makeFollow({ membershipChanged, attempt }: FollowParts): Follow {
  return async (change) => {
    let { kind } = change
    await attempt(() => {
      const followed = membershipChanged({ ...change, kind })
      // Once only: who left may be back by the time it is tried again, and is looked up then.
      kind = 'joined'
      return followed
    })
  }
}
