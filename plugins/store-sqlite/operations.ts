// Everything the store does, synchronously, on one connection: the writes and the reads. Where they
// run (this thread, another) is the business of the writers.

import { StoreFailure } from '../../protocol/failure.ts'
import type { Append } from './append.ts'
import { makeAppend } from './append.ts'
import type { ConversationReads } from './conversation-reads.ts'
import { makeConversationReads } from './conversation-reads.ts'
import type { ConversationWrites } from './conversation-writes.ts'
import { makeConversationWrites } from './conversation-writes.ts'
import type { PacketReads, PacketWrites } from './device-packets.ts'
import { makePacketReads, makePacketWrites } from './device-packets.ts'
import type { DeviceReads, DeviceWrites } from './devices.ts'
import { makeDeviceReads, makeDeviceWrites } from './devices.ts'
import type { SqlDriver } from './driver.ts'
import type { JobReads, JobWrites } from './jobs.ts'
import { makeJobReads, makeJobWrites } from './jobs.ts'
import type { LogReads } from './read-log.ts'
import { makeLogReads } from './read-log.ts'
import type { ReceiptReads, ReceiptWrites } from './receipts.ts'
import { makeReceiptReads, makeReceiptWrites } from './receipts.ts'
import type { Transact } from './transaction.ts'
import type { UserReads, UserWrites } from './users.ts'
import { makeUserReads, makeUserWrites } from './users.ts'

/** All writes; each is one durable transaction. Arguments and results are plain data, so that they
 * can travel between threads. */
export interface Writes
  extends UserWrites,
    ConversationWrites,
    DeviceWrites,
    JobWrites,
    PacketWrites,
    ReceiptWrites {
  append: Append
  /** Commits and removes a row as large as a batch of messages: what an append needs now. */
  probe(): void
}

export interface Reads
  extends UserReads,
    ConversationReads,
    DeviceReads,
    JobReads,
    PacketReads,
    ReceiptReads,
    LogReads {}

/** One large append: 64 KiB, 17 pages of the database and of the write-ahead log. A probe of one
 * page could succeed on a disk where no append would. */
const probeBytes = 64 * 1024

/** The writes on this connection, which must be the only one that writes, each in a transaction of
 * its own. */
export function makeWrites(driver: SqlDriver, transact: Transact): Writes {
  const insertProbe = driver.prepare('REPLACE INTO probe (key, filler) VALUES (1, zeroblob(?))')
  const deleteProbe = driver.prepare('DELETE FROM probe')
  return {
    ...makeUserWrites(driver, transact),
    ...makeConversationWrites(driver, transact),
    ...makeDeviceWrites(driver, transact),
    ...makeJobWrites(driver, transact),
    ...makePacketWrites(driver, transact),
    ...makeReceiptWrites(driver, transact),
    append: makeAppend(driver, transact),
    probe() {
      transact(() => insertProbe.run([probeBytes]))
      transact(() => deleteProbe.run([]))
    },
  }
}

/** The reads on this connection. */
export function makeReads(driver: SqlDriver): Reads {
  return {
    ...makeUserReads(driver),
    ...makeConversationReads(driver),
    ...makeDeviceReads(driver),
    ...makeJobReads(driver),
    ...makePacketReads(driver),
    ...makeReceiptReads(driver),
    ...makeLogReads(driver),
  }
}

/** Leaves nothing in the write-ahead log, if that can be done now, and closes. */
export function closeDriver(driver: SqlDriver): void {
  try {
    driver.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all([])
  } catch (error) {
    // What stays in the write-ahead log is as durable as the rest; the next open reads it.
    if (!(error instanceof StoreFailure)) throw error
  } finally {
    driver.close()
  }
}
