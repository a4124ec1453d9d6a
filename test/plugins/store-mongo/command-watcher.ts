// Watches the commands that the driver sends: each that touches a sharded collection must say on
// which shard, by the shard key, and none may read a whole collection.

import type { CommandStartedEvent, Db, Document } from 'mongodb'
import { plans } from '../../../plugins/store-mongo/collections.ts'

export interface CommandWatcher {
  readonly commandStarted: (event: CommandStartedEvent) => void
  /** Commands without their shard key, each shape once. */
  faults(): readonly string[]
  /** How many different shapes were seen. */
  shapes(): number
  /** Asks the server how it does each shape of command; resolves with those that scan. */
  scans(databaseOf: (name: string) => Db): Promise<readonly string[]>
}

/** One process looks now and then, on all shards, for devices that stayed away. */
const sweeps: ReadonlySet<string> = new Set(['abandonedAt', 'endsAt', 'lastSeen'])

const shardKeys = new Map(plans.map(({ name, shardKey }) => [name, shardKey]))

/** One statement of a command: what it selects, and how to have it explained. */
interface Statement {
  readonly filter: Document
  readonly explained: Document | undefined
}

interface Seen {
  readonly database: string
  readonly explained: Document
}

export function makeCommandWatcher(): CommandWatcher {
  const faults = new Set<string>()
  const seen = new Map<string, Seen>()

  const look = (collection: string, name: string, statement: Statement, database: string) => {
    const { filter, explained } = statement
    const shape = `${name} ${collection} ${JSON.stringify(shapeOf(explained ?? filter))}`
    const keys = Object.keys(shardKeys.get(collection) ?? {})
    const isTargeted = keys.every((key) => isEquality(filter[key]))
    if (!isTargeted && !isSweep(collection, filter)) faults.add(shape)
    if (explained !== undefined) seen.set(shape, { database, explained })
  }

  return {
    commandStarted({ commandName, command, databaseName }) {
      const collection = command[commandName]
      if (typeof collection !== 'string' || !shardKeys.has(collection)) return
      for (const statement of statementsOf(commandName, command)) {
        look(collection, commandName, statement, databaseName)
      }
    },
    faults: () => [...faults],
    shapes: () => seen.size,
    async scans(databaseOf) {
      const scans: string[] = []
      for (const [shape, { database, explained }] of seen) {
        const command = { explain: explained, verbosity: 'queryPlanner' }
        const plan = await databaseOf(database).command(command)
        if (JSON.stringify(plan).includes('"COLLSCAN"')) scans.push(shape)
      }
      return scans
    },
  }
}

/** What one command selects; commands without a filter (getMore, …) select nothing. */
function statementsOf(name: string, command: Document): readonly Statement[] {
  const collection = command[name]
  switch (name) {
    case 'insert':
      return command.documents.map((filter: Document) => ({ filter, explained: undefined }))
    case 'find':
      return [{ filter: command.filter ?? {}, explained: plain(command) }]
    case 'count':
    case 'distinct':
      return [{ filter: command.query ?? {}, explained: plain(command) }]
    case 'findAndModify':
      return [{ filter: command.query ?? {}, explained: plain(command) }]
    case 'aggregate':
      return [{ filter: command.pipeline[0]?.$match ?? {}, explained: plain(command) }]
    case 'update':
      return command.updates.map((update: Document) => ({
        filter: update.q,
        explained: { update: collection, updates: [update] },
      }))
    case 'delete':
      return command.deletes.map((removal: Document) => ({
        filter: removal.q,
        explained: { delete: collection, deletes: [removal] },
      }))
    default:
      return []
  }
}

/** What belongs to a session, not to the question. */
const ofSession: ReadonlySet<string> = new Set([
  ...['lsid', 'txnNumber', 'startTransaction', 'autocommit', 'readConcern', 'writeConcern'],
  ...['$db', '$clusterTime', '$readPreference', 'maxTimeMS', 'apiVersion'],
])

function plain(command: Document): Document {
  return Object.fromEntries(Object.entries(command).filter(([key]) => !ofSession.has(key)))
}

/** A value, or one of several: not a range, and not nothing. */
function isEquality(value: unknown): boolean {
  if (value === undefined || value === null) return false
  const text = JSON.stringify(value)
  return !text.startsWith('{"$') || text.startsWith('{"$in":') || text.startsWith('{"$eq":')
}

function isSweep(collection: string, filter: Document): boolean {
  const branches: unknown = filter.$or
  if (collection !== 'devices' || !Array.isArray(branches)) return false
  return branches.every((branch: Document) => Object.keys(branch).every((key) => sweeps.has(key)))
}

/** The form of a question, without its values; ids in paths are all the same. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [...new Set(value.map(textOf))]
  if (typeof value !== 'object' || value === null || '_bsontype' in value) return '?'
  const entries = Object.entries(value).map(([key, inner]) => {
    return [key.replaceAll(/[0-9a-f]{24}/g, '*'), shapeOf(inner)] as const
  })
  return Object.fromEntries(entries)
}

function textOf(value: unknown): string {
  return JSON.stringify(shapeOf(value))
}
