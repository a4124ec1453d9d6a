// Durable devices, their subscriptions and their cursors. A cursor belongs to a device and to a
// conversation its user is a member of; nothing here can make one that does not.

import type {
  Cursor,
  CursorUpdate,
  DeviceName,
  DeviceState,
  Expiry,
  StoredDevice,
  Subscription,
} from '../../services/delivery/ports.ts'
import type { SqlDriver } from './driver.ts'
import { makeFindKey } from './keys.ts'
import type { Transact } from './transaction.ts'

/** The writing half of `DeviceStore`. `at` is the time, ms since the epoch. */
export interface DeviceWrites {
  saveDevice(state: DeviceState, at: number): boolean
  forgetDevice(user: string, device: string): void
  saveLastSeen(devices: readonly DeviceName[], at: number): void
  endDevice(device: DeviceName, at: number): void
  expireDevices(before: Expiry, limit: number): readonly DeviceName[]
  saveCursors(updates: readonly CursorUpdate[]): void
}

/** The reading half of `DeviceStore`. */
export interface DeviceReads {
  findDevice(user: string, device: string): StoredDevice | undefined
}

export function makeDeviceWrites(driver: SqlDriver, transact: Transact): DeviceWrites {
  const conversationKey = makeFindKey(driver, 'conversations')
  const upsertDevice = driver.prepare<{ key: number }>(`
    INSERT INTO devices (user, device, subscriptions, last_seen, expiry_ms)
    VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (user, device)
    DO UPDATE SET
      subscriptions = excluded.subscriptions, last_seen = excluded.last_seen,
      expiry_ms = excluded.expiry_ms, ends_at = NULL
    RETURNING key`)
  const countOthers = driver.prepare<{ others: number; isKnown: number }>(`
    SELECT count(*) FILTER (WHERE device <> ?2) AS others,
      count(*) FILTER (WHERE device = ?2) AS isKnown
    FROM devices WHERE user = ?1`)
  const isOneTooMany = ({ user, device, devicesMax }: DeviceState): boolean => {
    if (devicesMax === undefined) return false
    const [count] = countOthers.all([user, device])
    return count !== undefined && count.isKnown === 0 && count.others >= devicesMax
  }
  const deleteDevice = driver.prepare('DELETE FROM devices WHERE user = ? AND device = ?')
  const updateLastSeen = driver.prepare(
    'UPDATE devices SET last_seen = max(last_seen, ?) WHERE user = ? AND device = ?',
  )
  const deleteExpired = driver.prepare<DeviceName>(`
    DELETE FROM devices
    WHERE key IN (SELECT key FROM devices WHERE last_seen < ? OR ends_at < ? LIMIT ?)
    RETURNING user, device`)
  const updateEnd = driver.prepare('UPDATE devices SET ends_at = ? WHERE user = ? AND device = ?')
  const deleteCursor = driver.prepare('DELETE FROM cursors WHERE device = ? AND conversation = ?')
  // One statement for each, by names: there may be one for each message.
  const insertSet = (set: string) =>
    driver.prepare(`
      INSERT INTO cursors (device, conversation, acked, sent)
      SELECT devices.key, members.conversation, ?4, ?5 FROM devices
      JOIN members ON members.user = devices.user AND members.conversation = ?3
      WHERE devices.user = ?1 AND devices.device = ?2
      ON CONFLICT (device, conversation) DO UPDATE SET ${set}`)
  const setCursor = insertSet('acked = excluded.acked, sent = excluded.sent')
  // Of two ordered pairs the maxima are ordered too: acked ≤ sent still holds.
  const raiseCursor = insertSet(
    'acked = max(acked, excluded.acked), sent = max(sent, excluded.sent)',
  )
  const write = (statement: typeof setCursor, { user, device }: DeviceName, cursor: Cursor) => {
    const conversation = conversationKey(cursor.conversation)
    if (conversation === undefined) return
    statement.run([user, device, conversation, cursor.acked, cursor.sent])
  }
  return {
    saveDevice(state, at) {
      const { user, device, expiryMs, subscriptions, cursors = [], dropped = [] } = state
      return transact(() => {
        if (isOneTooMany(state)) return false
        const list = JSON.stringify(subscriptions)
        const [row] = upsertDevice.all([user, device, list, at, expiryMs ?? null])
        const key = row?.key
        if (key === undefined) throw new Error('a device was stored without a key')
        for (const id of dropped) deleteCursor.run([key, conversationKey(id) ?? null])
        for (const cursor of cursors) write(setCursor, { user, device }, cursor)
        return true
      })
    },
    forgetDevice(user, device) {
      transact(() => deleteDevice.run([user, device]))
    },
    saveLastSeen(devices, at) {
      transact(() => {
        for (const { user, device } of devices) updateLastSeen.run([at, user, device])
      })
    },
    endDevice({ user, device }, at) {
      transact(() => updateEnd.run([at, user, device]))
    },
    expireDevices: ({ lastSeen, end }, limit) =>
      transact(() =>
        deleteExpired.all([lastSeen, end, limit]).map(({ user, device }) => ({ user, device })),
      ),
    saveCursors(updates) {
      transact(() => {
        for (const update of updates) write(raiseCursor, update, update)
      })
    },
  }
}

/** Sets the end of sessions whose devices were here when the server stopped without telling. For
 * who opens the store. */
export function endAbandoned(driver: SqlDriver, now: number): void {
  driver
    .prepare(`
      UPDATE devices SET ends_at = ? + expiry_ms
      WHERE expiry_ms IS NOT NULL AND ends_at IS NULL`)
    .run([now])
}

export function makeDeviceReads(driver: SqlDriver): DeviceReads {
  const selectDevice = driver.prepare<{
    key: number
    subscriptions: string
    ends_at: number | null
    expiry_ms: number | null
  }>('SELECT key, subscriptions, ends_at, expiry_ms FROM devices WHERE user = ? AND device = ?')
  const selectCursors = driver.prepare<Cursor>(`
    SELECT c.id AS conversation, acked, sent
    FROM cursors JOIN conversations c ON c.key = cursors.conversation
    WHERE device = ? ORDER BY c.id`)
  return {
    findDevice(user, device) {
      const row = selectDevice.get([user, device])
      if (row === undefined) return undefined
      return {
        ...(row.ends_at === null ? {} : { endsAt: row.ends_at }),
        ...(row.expiry_ms === null ? {} : { expiryMs: row.expiry_ms }),
        subscriptions: JSON.parse(row.subscriptions) as Subscription[],
        cursors: selectCursors
          .all([row.key])
          .map(({ conversation, acked, sent }) => ({ conversation, acked, sent })),
      }
    },
  }
}
