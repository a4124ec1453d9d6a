// Packet ids of durable devices at QoS 2: each is taken together with the message it brought, and
// freed when the device releases it. What was stored under a taken id is not stored again.

import type { AppendOutcome, DevicePacket, ReleasedPacket } from '../../services/log/ports.ts'
import type { SqlDriver } from './driver.ts'
import type { Transact } from './transaction.ts'

/** Calls `store` unless the packet was stored before; takes its id. Runs inside the transaction of
 * the append. */
type TakePacket = (user: string, packet: DevicePacket, store: () => AppendOutcome) => AppendOutcome

export function makeTakePacket(driver: SqlDriver): TakePacket {
  const selectDevice = driver.prepare<{ key: number }>(
    'SELECT key FROM devices WHERE user = ? AND device = ?',
  )
  const selectTaken = driver.prepare<{ fingerprint: number; seq: number; at: number }>(
    'SELECT fingerprint, seq, at FROM packets WHERE device = ? AND packet_id = ?',
  )
  const take = driver.prepare(
    'REPLACE INTO packets (device, packet_id, fingerprint, seq, at) VALUES (?, ?, ?, ?, ?)',
  )
  return (user, { device, packetId, isRepeat, fingerprint }, store) => {
    const key = selectDevice.get([user, device])?.key
    if (key === undefined) return store()
    const taken = selectTaken.get([key, packetId])
    if (taken !== undefined && (isRepeat || taken.fingerprint === fingerprint)) {
      return { kind: 'duplicate', seq: taken.seq, at: taken.at }
    }
    const outcome = store()
    take.run([key, packetId, fingerprint, outcome.seq, outcome.at])
    return outcome
  }
}

/** The writing half of `LogStore` for packet ids. */
export interface PacketWrites {
  releasePackets(packets: readonly ReleasedPacket[]): void
}

export function makePacketWrites(driver: SqlDriver, transact: Transact): PacketWrites {
  const free = driver.prepare(`
    DELETE FROM packets WHERE packet_id = ?
    AND device = (SELECT key FROM devices WHERE user = ? AND device = ?)`)
  return {
    releasePackets(packets) {
      transact(() => {
        for (const { user, device, packetId } of packets) free.run([packetId, user, device])
      })
    },
  }
}

/** The reading half. */
export interface PacketReads {
  unreleasedPackets(user: string, device: string): readonly number[]
}

export function makePacketReads(driver: SqlDriver): PacketReads {
  const select = driver.prepare<{ id: number }>(`
    SELECT packet_id AS id FROM packets
    WHERE device = (SELECT key FROM devices WHERE user = ? AND device = ?) ORDER BY packet_id`)
  return { unreleasedPackets: (user, device) => select.all([user, device]).map(({ id }) => id) }
}
