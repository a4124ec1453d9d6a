// Makes the database ready: collections and indexes everywhere, and behind a router (mongos) each
// collection sharded by its key. Says what it did; does nothing twice.

import type { Db, Document } from 'mongodb'
import { MongoServerError } from 'mongodb'
import { OperatorFault } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { Plan } from './collections.ts'
import { makeIndexes, plans } from './collections.ts'
import type { MongoConnection } from './connect.ts'
import { connectMongo } from './connect.ts'
import { withFailures } from './failures.ts'

/** Runs commands of the administrator. `sharded` is what the cluster says of its collections
 * (config.collections), by `<database>.<collection>`. */
export interface AdminCommands {
  run(command: Document): Promise<Document>
  sharded(namespaces: readonly string[]): Promise<readonly ShardedCollection[]>
}

export interface ShardedCollection {
  readonly _id: string
  readonly key: Document
}

/** The commands of a database's cluster. */
function makeAdminCommands(db: Db): AdminCommands {
  return {
    run: (command) => db.admin().command(command),
    sharded: (namespaces) =>
      db.client
        .db('config')
        .collection<ShardedCollection>('collections')
        .find({ _id: { $in: [...namespaces] } }, { projection: { key: 1 } })
        .toArray(),
  }
}

type Sharded = Plan & { readonly shardKey: NonNullable<Plan['shardKey']> }

function isSharded(plan: Plan): plan is Sharded {
  return plan.shardKey !== undefined
}

/** Shards what is not sharded yet; resolves with a line for each collection. Rejects with
 * `OperatorFault` when one is sharded by another key, or when it may not be done. */
export async function shardCollections(
  database: string,
  commands: AdminCommands,
): Promise<readonly string[]> {
  const keyed = plans.filter(isSharded)
  const known = await keysOf(database, commands)
  const wrong = keyed.filter(({ name, shardKey }) => {
    const key = known.get(`${database}.${name}`)
    return key !== undefined && JSON.stringify(key) !== JSON.stringify(shardKey)
  })
  if (wrong.length > 0) throw otherKey(database, wrong)
  await asOperator(() => commands.run({ enableSharding: database }))
  const lines: string[] = []
  for (const { name, shardKey } of keyed) {
    const namespace = `${database}.${name}`
    const by = JSON.stringify(shardKey)
    if (known.has(namespace)) {
      lines.push(`${namespace} is sharded by ${by}`)
      continue
    }
    // Unique indexes are there already, and begin with the key: the server sees that they do.
    await asOperator(() => commands.run({ shardCollection: namespace, key: shardKey }))
    lines.push(`${namespace} is now sharded by ${by}`)
  }
  return lines
}

/** Rejects with `OperatorFault` when a collection is not sharded as it should be. */
export async function demandSharding(database: string, commands: AdminCommands): Promise<void> {
  const known = await keysOf(database, commands)
  const wrong = plans.filter(isSharded).filter(({ name, shardKey }) => {
    return JSON.stringify(known.get(`${database}.${name}`)) !== JSON.stringify(shardKey)
  })
  if (wrong.length > 0) {
    const names = wrong.map(({ name }) => name).join(', ')
    throw new OperatorFault(
      `these collections of ${database} are not sharded as they must be: ${names}; ` +
        'run parley cluster init',
    )
  }
}

async function keysOf(database: string, commands: AdminCommands) {
  const namespaces = plans.filter(isSharded).map(({ name }) => `${database}.${name}`)
  const found = await asOperator(() => commands.sharded(namespaces))
  return new Map(found.map(({ _id, key }) => [_id, key]))
}

function otherKey(database: string, wrong: readonly Sharded[]): OperatorFault {
  const names = wrong.map(({ name, shardKey }) => `${name} by ${JSON.stringify(shardKey)}`)
  return new OperatorFault(
    `collections of ${database} are sharded by other keys; they must be: ${names.join(', ')}`,
  )
}

const unauthorized = 13

async function asOperator<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await withFailures(work)
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== unauthorized) throw error
    throw new OperatorFault(
      'the user of MONGODB_URL may not do this: a server needs readWrite on its database and, ' +
        'behind a router, clusterMonitor; parley cluster init needs clusterManager and dbAdmin',
      error,
    )
  }
}

/** Makes ready what a server needs at its start. On a replica set that is everything; behind a
 * router sharding is left to `parley cluster init`: rejects with `OperatorFault` if it was not
 * done. Where indexes may not be made they must be there. */
export async function prepare({ db, isRouter }: Pick<MongoConnection, 'db' | 'isRouter'>) {
  if (isRouter) return demandSharding(db.databaseName, makeAdminCommands(db))
  try {
    await withFailures(() => makeIndexes(db))
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== unauthorized) throw error
    await demandIndexes(db)
  }
}

/** Rejects with `OperatorFault` when an index is missing. */
async function demandIndexes(db: Db): Promise<void> {
  for (const { name, indexes } of plans) {
    const listed = await asOperator(() => db.collection(name).indexes())
    const known = new Set(listed.map(({ key }) => JSON.stringify(key)))
    const missing = indexes.find(({ key }) => !known.has(JSON.stringify(key)))
    if (missing === undefined) continue
    const text = `the collection ${name} has no index ${JSON.stringify(missing.key)}`
    throw new OperatorFault(`${text}: run parley cluster init`)
  }
}

/** Makes everything, and says what. Idempotent; several may do it at a time. */
export async function initCluster(url: string, logger: Logger): Promise<readonly string[]> {
  const connection = await connectMongo({ url, logger })
  try {
    const { db, isRouter } = connection
    await asOperator(() => makeIndexes(db))
    const made = plans.map(({ name, indexes }) => `${name}: ${indexes.length} indexes`)
    if (!isRouter) return [...made, 'not sharded: this is a replica set, not a mongos']
    return [...made, ...(await shardCollections(db.databaseName, makeAdminCommands(db)))]
  } finally {
    await connection.close()
  }
}
