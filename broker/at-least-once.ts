// QoS 1 publishes without an id, of durable devices: recorded, so that one that comes again on the
// next connection is acknowledged and not stored again. What is believed: retransmissions.ts.

import type { MessageBody } from '../protocol/entry.ts'
import { deviceKey } from '../services/delivery/locks.ts'
import type { Session } from '../services/delivery/session.ts'
import { acknowledge } from './answer.ts'
import type { Connection } from './connection.ts'
import type { PublishPacket } from './edge/packets.ts'

/** A publish that may come again. */
interface RecordedPublish {
  readonly session: Session
  readonly head: PublishPacket
  /** Whether it is recorded. */
  readonly isKept: boolean
  readonly fingerprint: number
}

/** Stands for the record of a publish that has none. */
const noRecord = -1

/** Takes over the records of a device's earlier connections; a new session has none. */
export function recallRecords(connection: Connection, session: Session, present: boolean): void {
  const { retransmissions } = connection.context
  const device = deviceKey(session)
  if (!present) return retransmissions.forget(device)
  connection.records = retransmissions.recall(device)
  connection.records?.connected()
}

/** Whether a publish is recorded: one with an id is recognised by it, for ever. */
export function isRecorded(
  { durable }: Session,
  { qos }: PublishPacket,
  { messageId }: MessageBody,
): boolean {
  return durable && qos === 1 && messageId === undefined
}

/** Takes note of a publish that is about to be stored; returns the number of its record. */
export function recordPublish(
  connection: Connection,
  { session, head, isKept, fingerprint }: RecordedPublish,
): number {
  if (isKept) connection.records ??= connection.context.retransmissions.begin(deviceKey(session))
  const { records } = connection
  if (records === undefined || head.qos === 0) return noRecord
  if (!head.dup) records.used(head.packetId, connection.inFlight === 0)
  return isKept ? records.note(head.packetId, fingerprint) : noRecord
}

/** What became of a recorded publish, after it was answered. */
export function settleRecord(connection: Connection, record: number, isStored: boolean): void {
  const { records } = connection
  if (records === undefined || record === noRecord) return
  if (!isStored) records.failed(record)
  else if (connection.state !== 'open') records.unanswered(record)
  else records.answered(record, connection.round(), connection.lastDelivered)
}

/** Acknowledges what was stored before; calls `store` otherwise. Waits while that is not known. */
export function handleRepeat(
  connection: Connection,
  publish: RecordedPublish,
  store: () => void,
): void {
  const { records } = connection
  const { head, fingerprint } = publish
  const finding = records?.find(head.packetId, fingerprint)
  if (records === undefined || finding === 'unknown') return store()
  if (finding === 'pending') {
    connection.hold('repeat')
    return records.onSettled(() => {
      handleRepeat(connection, publish, store)
      connection.release('repeat')
    })
  }
  connection.whenNothingInFlight(() => {
    acknowledge(connection, head)
    // This PUBACK may be lost as the one before was.
    settleRecord(connection, records.note(head.packetId, fingerprint), true)
  })
}
