// What a session stores of itself: its subscriptions, and cursors that it sets or drops. In turn
// with the coming and going of the device, so that what a connection stores late cannot undo what
// the device's next connection was told.

import type { WithLock } from './locks.ts'
import { deviceKey } from './locks.ts'
import type { DeviceState, DeviceStore } from './ports.ts'
import type { Session } from './session.ts'

/** Stores the subscriptions of a durable session, with changes of cursors. Does nothing when the
 * session is closed by the time it is its turn: its client was not answered. */
export type SaveSession = (
  session: Session,
  changes: Pick<DeviceState, 'cursors' | 'dropped'>,
) => Promise<void>

export function makeSaveSession(devices: DeviceStore, withLock: WithLock): SaveSession {
  return async (session, changes) => {
    if (!session.durable) return
    await withLock(deviceKey(session), async () => {
      if (session.state === 'closed') return
      const { user, device, expiryMs, subscriptions } = session
      const state = { user, device, expiryMs, subscriptions: subscriptions.list() }
      await devices.save({ ...state, ...changes })
    })
  }
}
