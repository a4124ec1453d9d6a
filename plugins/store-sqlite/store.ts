// The store of a single process: every port of the services on one SQLite database in one folder.
// It knows no rule of theirs; it stores.

import { mkdir, opendir, open as openFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Clock } from '../../protocol/clock.ts'
import { OperatorFault, StoreFailure } from '../../protocol/failure.ts'
import type { UserStore } from '../../services/auth/ports.ts'
import type { ConversationStore } from '../../services/conversations/ports.ts'
import type { DeviceName, DeviceStore } from '../../services/delivery/ports.ts'
import type { JobQueue } from '../../services/jobs/ports.ts'
import type { LogStore } from '../../services/log/ports.ts'
import type { ReceiptStore } from '../../services/receipts/ports.ts'
import type { OpenDriver } from './connect.ts'
import { connect, loadDriver } from './connect.ts'
import { endAbandoned } from './devices.ts'
import type { DriverName, SqlDriver } from './driver.ts'
import { damageCodes, SqliteError } from './driver.ts'
import { lockFolder } from './folder-lock.ts'
import { makeJobQueue } from './job-queue.ts'
import { releaseAbandonedJobs } from './jobs.ts'
import type { Reads } from './operations.ts'
import { makeReads } from './operations.ts'
import { migrate } from './schema.ts'
import { startWorkerWriter } from './worker-writer.ts'
import type { Writer } from './writer.ts'
import { makeInlineWriter } from './writer.ts'

export interface SqliteStoreOptions {
  /** Where the database lies; made, for this user only, if it is absent. */
  readonly folder: string
  readonly clock: Clock
  /** The engine; by default node:sqlite where this runtime has it, else libsql. */
  readonly driver?: DriverName
  /** Where writes run: `worker` (default), a thread of their own, or `inline`, on the caller's.
   * bench/writer/ compares them. */
  readonly writer?: 'worker' | 'inline'
  /** Most 4 KiB pages the database may grow to; unbounded when absent. Beyond it the store fails
   * as on a full disk. */
  readonly pagesMax?: number
  /** Told of every write that fails in a way that may pass. */
  readonly failed?: (reason: string) => void
}

/** The ports. After `close` every call rejects. */
export interface SqliteStore {
  readonly log: LogStore
  readonly conversations: ConversationStore
  readonly devices: DeviceStore
  readonly users: UserStore
  readonly receipts: ReceiptStore
  readonly jobs: JobQueue
  /** Proves that an append can be committed now, by committing (and removing) as much as a large
   * one takes; rejects with `StoreFailure` when it cannot. */
  check(): Promise<void>
  /** Resolves with the reason if the store breaks for good: the process must end, and start again.
   */
  readonly broken: Promise<Error>
  /** Waits for the writes that were asked for, closes the database and gives the folder back.
   * Idempotent. */
  close(): Promise<void>
}

/** Opens the store. Rejects with `FolderInUse` when another process has the folder open, with
 * `StoreFailure` when the folder cannot be used, and with `OperatorFault` when its database is
 * damaged, or was written by a newer program. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const open = await loadDriver(options.driver)
  await makeFolder(options.folder)
  const release = lockFolder(open, options.folder)
  try {
    return makeStore(await openDatabase(open, options), options, release)
  } catch (error) {
    release()
    throw isDamage(error) ? damage(options.folder, error) : error
  }
}

function isDamage(error: unknown): error is SqliteError {
  return error instanceof SqliteError && damageCodes.has(error.code & 0xff)
}

function damage(folder: string, error: SqliteError): OperatorFault {
  const text = `the database parley.db in ${folder} is damaged (${error.message}): restore a backup`
  return new OperatorFault(text, error)
}

/** An open database: `reader` is the connection reads use, `writer` where writes go. */
interface OpenDatabase {
  readonly reader: SqlDriver
  readonly writer: Writer
}

async function openDatabase(open: OpenDriver, options: SqliteStoreOptions): Promise<OpenDatabase> {
  const { pagesMax } = options
  const file = join(options.folder, 'parley.db')
  // Password hashes are in it, and SQLite gives its log the mode of the database.
  await (await openFile(file, 'a', 0o600)).close()
  const reader = connect(open, file, { pagesMax })
  try {
    migrate(reader)
    endAbandoned(reader, options.clock())
    releaseAbandonedJobs(reader, options.clock())
    if (options.writer === 'inline') return { reader, writer: makeInlineWriter(reader) }
    const writer = await startWorkerWriter({ file, driver: reader.name, pagesMax })
    return { reader, writer }
  } catch (error) {
    reader.close()
    throw error
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await makeFolders(resolve(folder))
  } catch (error) {
    throw new StoreFailure(`cannot make the data folder: ${(error as Error).message}`, error)
  }
}

/** Makes a folder and those above it that are missing. The `recursive` of mkdir never ends on file
 * systems that answer ENOENT below a folder that exists, as /proc does (Node 20.20, 2026-11). */
async function makeFolders(folder: string): Promise<void> {
  const make = () => mkdir(folder, { mode: 0o700 })
  try {
    await make()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Fails if what is there is not a folder.
    if (code === 'EEXIST') return (await opendir(folder)).close()
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error
    await makeFolders(dirname(folder))
    await make()
  }
}

/** Runs a read; rejects after `close`. */
type Read = <Result>(work: (reads: Reads) => Result) => Promise<Result>
/** Runs a write; rejects after `close`. */
type Write = Writer['run']

function makeStore(
  database: OpenDatabase,
  { clock, failed = ignore }: SqliteStoreOptions,
  release: () => void,
): SqliteStore {
  const { reader, writer } = database
  const reads = makeReads(reader)
  let closing: Promise<void> | undefined
  const assertOpen = (): void => {
    if (closing !== undefined) throw new Error('the store is closed')
  }
  const read: Read = async (work) => {
    assertOpen()
    return work(reads)
  }
  const run: Write = async (name, ...args) => {
    try {
      return await writer.run(name, ...args)
    } catch (error) {
      if (error instanceof StoreFailure) failed(error.message)
      throw error
    }
  }
  const write: Write = async (name, ...args) => {
    assertOpen()
    return run(name, ...args)
  }
  // What runs when the store is closed may still end.
  const jobs = makeJobQueue({ write: run, read, clock })
  const close = async (): Promise<void> => {
    await jobs.close()
    try {
      await writer.close()
      if (writer.hasOwnConnection) reader.close()
    } finally {
      release()
    }
  }
  return {
    log: {
      append: (batch, at) => write('append', batch, at),
      read: (conversation, range) => read((from) => from.readLog(conversation, range)),
      heads: (conversations) => read((from) => from.heads(conversations)),
      releasePackets: (packets) => write('releasePackets', packets),
      unreleasedPackets: (user, device) => read((from) => from.unreleasedPackets(user, device)),
    },
    conversations: makeConversationStore(read, write, clock),
    devices: {
      find: (user, device) => read((from) => from.findDevice(user, device)),
      save: (state) => write('saveDevice', state, clock()),
      forget: (user, device) => write('forgetDevice', user, device),
      saveLastSeen: (devices, at) => write('saveLastSeen', devices.map(nameOf), at),
      endAt: (device, at) => write('endDevice', nameOf(device), at),
      expire: (before, limit) => write('expireDevices', before, limit),
      saveCursors: (updates) => write('saveCursors', updates),
    },
    users: {
      createUser: (user, hash) => write('createUser', user, hash, clock()),
      passwordHash: (user) => read((from) => from.passwordHash(user)),
      userExists: (user) => read((from) => from.userExists(user)),
      settings: (user) => read((from) => from.settings(user)),
      saveSettings: (user, settings) => write('saveSettings', user, settings),
    },
    receipts: {
      raise: (marks) => write('raiseReceipts', marks, clock()),
      count: (range) => read((from) => from.countEntries(range)),
      marksOf: (conversation, limit) => read((from) => from.marksOf(conversation, limit)),
      tally: (question) => read((from) => from.tally(question)),
      changedFor: (device, bounds) => read((from) => from.changedFor(device, bounds)),
      devicesIn: (conversation, user) => read((from) => from.devicesIn(conversation, user)),
    },
    jobs,
    check: () => write('probe'),
    broken: writer.died,
    close() {
      closing ??= close()
      return closing
    },
  }
}

/** Only what can travel to the writer thread. */
function nameOf({ user, device }: DeviceName): DeviceName {
  return { user, device }
}

function makeConversationStore(read: Read, write: Write, clock: Clock): ConversationStore {
  return {
    createGroup: (group) => write('createGroup', group, clock()),
    addMember: (group, user) => write('addMember', group, user),
    removeMember: (group, user) => write('removeMember', group, user),
    renameGroup: (group, title) => write('renameGroup', group, title),
    mute: (conversation, user, until) => write('mute', conversation, user, until),
    async ensureDirect(a, b) {
      const known = await read((from) => from.findDirect(a, b))
      if (known !== undefined) return known
      const exists = await write('createDirect', a, b, clock())
      return exists ? read((from) => from.findDirect(a, b)) : undefined
    },
    membership: (conversation, user) => read((from) => from.membership(conversation, user)),
    membershipsOf: (user) => read((from) => from.membershipsOf(user)),
    membersOf: (conversation, page) => read((from) => from.membersOf(conversation, page)),
  }
}

function ignore(): void {}
