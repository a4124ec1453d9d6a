// The connection to MongoDB: one client for the process, whose every wait has a bound, and whose
// every acknowledged write is durable on a majority.

import type { ClientSession, CommandStartedEvent, Db, MongoClientOptions } from 'mongodb'
import { MongoClient, MongoError, MongoServerError } from 'mongodb'
import { OperatorFault } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'
import { withFailures, withoutBulk } from './failures.ts'

export interface ConnectOptions {
  /** As the driver takes it; the database is `parley` where it names none. Secret. */
  readonly url: string
  readonly logger: Logger
  /** Told of every command that is sent; for tests. */
  readonly commandStarted?: ((event: CommandStartedEvent) => void) | undefined
}

export interface MongoConnection {
  readonly db: Db
  /** Whether it is a router (mongos) of a sharded cluster. */
  readonly isRouter: boolean
  /** Does the work in a transaction: all of it or nothing. It is done again when another
   * transaction was in the way, and given up with `StoreFailure` after a while. All commands of the
   * work must be given the session. */
  readonly transact: <Result>(work: (session: ClientSession) => Promise<Result>) => Promise<Result>
  /** Idempotent. */
  close(): Promise<void>
}

/** Longest time the server may take for a read, ms. To be given with each. */
export const readMsMax = 5000

/** A majority, in their journals. */
const writeConcern = { w: 'majority', journal: true, wtimeoutMS: 5000 } as const

const clientOptions: MongoClientOptions = {
  appName: 'parley',
  writeConcern,
  // What was read cannot be rolled back.
  readConcern: { level: 'majority' },
  readPreference: 'primary',
  retryWrites: true,
  retryReads: true,
  ignoreUndefined: true,
  maxPoolSize: 50,
  maxConnecting: 4,
  waitQueueTimeoutMS: 5000,
  // Longer than the election of a primary takes, as a rule.
  serverSelectionTimeoutMS: 5000,
  connectTimeoutMS: 2000,
  // Above what the server is given for a command: the end of waiting for one that is stopped.
  socketTimeoutMS: 6000,
  heartbeatFrequencyMS: 1000,
}

/** Connects. Rejects with `OperatorFault` when the URL is none, when access is refused, or when
 * there are no transactions there; with `StoreFailure` when nobody answers. */
export async function connectMongo(options: ConnectOptions): Promise<MongoConnection> {
  const { url, logger, commandStarted } = options
  const client = makeClient(url, { monitorCommands: commandStarted !== undefined })
  if (commandStarted !== undefined) client.on('commandStarted', commandStarted)
  watch(client, logger)
  try {
    await withFailures(() => client.connect()).catch(explainRefusal)
    const hello = await withFailures(() => client.db('admin').command({ hello: 1 }))
    const isRouter = hello.msg === 'isdbgrid'
    if (!isRouter && hello.setName === undefined) {
      throw new OperatorFault(
        'this MongoDB is a single server, without transactions: start it as a replica set ' +
          '(--replSet, then rs.initiate()), which may have one member',
      )
    }
    return {
      db: databaseOf(client, url),
      isRouter,
      transact: makeTransact(client),
      close: () => client.close(),
    }
  } catch (error) {
    await client.close()
    throw error
  }
}

function makeClient(url: string, more: MongoClientOptions): MongoClient {
  try {
    return new MongoClient(url, { ...clientOptions, ...more })
  } catch (error) {
    // The message may quote the URL, which holds a password.
    const name = error instanceof MongoError ? error.name : 'Error'
    throw new OperatorFault(`MONGODB_URL is not the URL of a MongoDB (${name})`)
  }
}

/** The database of the URL; the driver would take `test` where there is none. */
function databaseOf(client: MongoClient, url: string): Db {
  const isNamed = /^[^:]+:\/\/[^/?]+\/[^?]/.test(url)
  return client.db(isNamed ? undefined : 'parley')
}

const refusals: ReadonlySet<unknown> = new Set([13, 18, 8000])

function explainRefusal(error: unknown): never {
  if (error instanceof MongoServerError && refusals.has(error.code)) {
    throw new OperatorFault(`MongoDB refuses access: ${error.message}`)
  }
  throw error
}

/** Tells the operator when there is nobody to write to, and when there is again. */
function watch(client: MongoClient, logger: Logger): void {
  let isAway = false
  client.on('topologyDescriptionChanged', ({ previousDescription, newDescription }) => {
    const isWritable = [...newDescription.servers.values()].some((server) => server.isWritable)
    const wasWritable = [...previousDescription.servers.values()].some((it) => it.isWritable)
    if (!isWritable && wasWritable) logger.warn({}, 'MongoDB has no primary')
    else if (isWritable && isAway) logger.info({}, 'MongoDB has a primary again')
    isAway = !isWritable && (wasWritable || isAway)
  })
}

/** How long a transaction is begun anew, ms. */
const transactMsMax = 10_000
const pauseMsMin = 5
const pauseMsMax = 250

function makeTransact(client: MongoClient): MongoConnection['transact'] {
  return (work) =>
    withFailures(() =>
      client.withSession(async (session) => {
        const giveUpAt = performance.now() + transactMsMax
        for (let pauseMs = pauseMsMin; ; pauseMs = Math.min(2 * pauseMs, pauseMsMax)) {
          try {
            return await attempt(session, work, giveUpAt)
          } catch (error) {
            if (!isInTheWay(error)) throw error
            if (performance.now() + pauseMs > giveUpAt) throw error
            const ms = pauseMs * Math.random()
            await new Promise((resolve) => setTimeout(resolve, ms))
          }
        }
      }),
    )
}

async function attempt<Result>(
  session: ClientSession,
  work: (session: ClientSession) => Promise<Result>,
  giveUpAt: number,
): Promise<Result> {
  session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern })
  let result: Result
  try {
    result = await work(session)
  } catch (error) {
    await session.abortTransaction()
    throw error
  }
  for (;;) {
    try {
      await session.commitTransaction()
      return result
    } catch (error) {
      // It may be committed: asking again is the way to know.
      if (!hasLabel(error, 'UnknownTransactionCommitResult')) throw error
      if (performance.now() > giveUpAt) throw error
    }
  }
}

const writeConflict = 112

/** Another transaction was faster. Errors of bulk writes have lost the label that says so. */
function isInTheWay(error: unknown): boolean {
  if (hasLabel(error, 'TransientTransactionError')) return true
  return error instanceof MongoServerError && error.code === writeConflict
}

function hasLabel(error: unknown, label: string): boolean {
  return error instanceof MongoError && withoutBulk(error).hasErrorLabel(label)
}
