// The messages: entries at write-once positions. Two unique keys decide what is stored, and whoever
// is refused by one learns what stands there. What is inserted in one turn goes as few commands.

import type { Collection, Db } from 'mongodb'
import { ObjectId } from 'mongodb'
import type { Entry } from '../../protocol/entry.ts'
import { StoreFailure } from '../../protocol/failure.ts'
import type { ReadRange } from '../../services/log/ports.ts'
import type {
  Inserted,
  PlacedEntry,
  PositionStore,
  StoredPlace,
} from '../../services/log/positions/ports.ts'
import { withFailures } from './failures.ts'
import type { InsertError } from './insert.ts'
import { makeInserts } from './insert.ts'

/** `messages`: the log. `_id` is the token of the message, ascending, so that inserts go to the end
 * of that index. Sharded by {conversation}. Unique: {conversation, seq}, and {conversation, from,
 * clientId} where there is a client id. `clientId` of a message without an id that came at QoS 2
 * begins with `#`. A void has an empty `from`. Never removed. */
export interface MessageDocument {
  readonly _id: ObjectId
  readonly conversation: string
  readonly seq: number
  readonly from: string
  readonly clientId?: string
  readonly kind: string
  readonly fields: string
  /** ms since the epoch. */
  readonly at: number
}

export const messagesName = 'messages'

/** A token that no message had before. */
export function makeToken(): string {
  return new ObjectId().toHexString()
}

/** Longest time a read may take on the server, ms. */
const readMsMax = 5000
const duplicateKey = 11_000

const placeProjection = { seq: 1, at: 1, from: 1, clientId: 1 } as const
const entryProjection = { seq: 1, at: 1, from: 1, clientId: 1, kind: 1, fields: 1 } as const

type Messages = Pick<PositionStore, 'insert' | 'fill' | 'find' | 'head' | 'heads' | 'read'>

/** Makes the part of the position store that is about messages. */
export function makeMessages(db: Db): Messages {
  // Majority: what was read cannot be rolled back.
  const messages = db.collection<MessageDocument>(messagesName, {
    readConcern: { level: 'majority' },
    readPreference: 'primary',
  })
  const { insertOrdered, insertEach } = makeInserts(db, messagesName)

  const resolveConflict = async (entry: PlacedEntry, error: InsertError): Promise<StoredPlace> => {
    if (error.code !== duplicateKey) throw new Error(`cannot insert a message: ${error.message}`)
    const there = await findPlace(messages, filterOf(entry, error))
    // It is there, and may be rolled back still.
    if (there === undefined) throw new StoreFailure('what stands there is not durable yet')
    return there
  }

  return {
    insert: (entries) =>
      withFailures(async (): Promise<Inserted> => {
        const failed = await insertOrdered(entries.map(documentOf))
        if (failed === undefined) return { kind: 'stored' }
        const entry = entries[failed.index] as PlacedEntry
        const there = await resolveConflict(entry, failed)
        return { kind: 'conflict', index: failed.index, there }
      }),
    fill: (conversation, seqs, at) =>
      withFailures(async () => {
        const errors = await insertEach(seqs.map((seq) => voidDocument({ conversation, seq, at })))
        const unexpected = errors.find(({ code }) => code !== duplicateKey)
        if (unexpected) throw new Error(`cannot fill a position: ${unexpected.message}`)
      }),
    find: (conversation, names) =>
      withFailures(async () => {
        const found = await messages
          .find(
            { conversation, $or: names.map(({ from, clientId }) => ({ from, clientId })) },
            { projection: placeProjection, maxTimeMS: readMsMax },
          )
          .toArray()
        const byName = new Map(found.map((it) => [`${it.from} ${it.clientId}`, placeOf(it)]))
        return names.map(({ from, clientId }) => byName.get(`${from} ${clientId}`))
      }),
    head: joinHeads((conversations) => withFailures(() => headsOf(messages, conversations))),
    heads: (conversations) => withFailures(() => headsOf(messages, conversations)),
    read: (conversation, range) => withFailures(() => readRange(messages, conversation, range)),
  }
}

/** Finds what an insert met, by the index that refused it. */
function filterOf({ conversation, seq, from, clientId, token }: PlacedEntry, error: InsertError) {
  if ('_id' in error.keyPattern) return { conversation, _id: ObjectId.createFromHexString(token) }
  if ('clientId' in error.keyPattern) return { conversation, from, clientId: clientId as string }
  return { conversation, seq }
}

async function findPlace(
  messages: Collection<MessageDocument>,
  filter: ReturnType<typeof filterOf>,
): Promise<StoredPlace | undefined> {
  const options = { projection: placeProjection, maxTimeMS: readMsMax }
  const found = await messages.findOne(filter, options)
  return found === null ? undefined : placeOf(found)
}

/** What is asked in one turn is asked together: after a start, or when the sequencer forgot, many
 * ask at once. */
function joinHeads(heads: PositionStore['heads']): PositionStore['head'] {
  let asked: string[] = []
  let answer: Promise<readonly number[]> | undefined
  const ask = async () => {
    await new Promise((resolve) => setImmediate(resolve))
    const conversations = asked
    asked = []
    answer = undefined
    return heads(conversations)
  }
  return async (conversation) => {
    answer ??= ask()
    const index = asked.push(conversation) - 1
    return (await answer)[index] ?? 0
  }
}

/** One step in the index for each conversation (DISTINCT_SCAN). */
async function headsOf(
  messages: Collection<MessageDocument>,
  conversations: readonly string[],
): Promise<readonly number[]> {
  if (conversations.length === 0) return []
  const heads = await messages
    .aggregate<{ readonly _id: string; readonly head: number }>(
      [
        { $match: { conversation: { $in: [...conversations] } } },
        { $sort: { conversation: -1, seq: -1 } },
        { $group: { _id: '$conversation', head: { $first: '$seq' } } },
      ],
      { maxTimeMS: readMsMax },
    )
    .toArray()
  const byConversation = new Map(heads.map(({ _id, head }) => [_id, head]))
  return conversations.map((conversation) => byConversation.get(conversation) ?? 0)
}

async function readRange(
  messages: Collection<MessageDocument>,
  conversation: string,
  { after, before, newestFirst = false, limit, bytesMax = Number.POSITIVE_INFINITY }: ReadRange,
): Promise<readonly Entry[]> {
  const seq = {
    ...(after === undefined ? {} : { $gt: after }),
    ...(before === undefined ? {} : { $lt: before }),
  }
  const direction = newestFirst ? -1 : 1
  const cursor = messages.find(
    Object.keys(seq).length === 0 ? { conversation } : { conversation, seq },
    {
      projection: entryProjection,
      sort: { conversation: direction, seq: direction },
      limit,
      batchSize: limit,
      maxTimeMS: readMsMax,
    },
  )
  const entries: Entry[] = []
  let bytes = 0
  try {
    for await (const document of cursor) {
      bytes += Buffer.byteLength(document.fields)
      if (bytes > bytesMax && entries.length > 0) break
      entries.push(entryOf(conversation, document))
    }
  } finally {
    await cursor.close()
  }
  return entries
}

function documentOf(entry: PlacedEntry): MessageDocument {
  const { conversation, seq, from, body, at, token, clientId } = entry
  const head = { _id: ObjectId.createFromHexString(token), conversation, seq, from }
  const { kind, fields } = body
  return clientId === undefined
    ? { ...head, kind, fields, at }
    : { ...head, clientId, kind, fields, at }
}

function voidDocument(place: Pick<MessageDocument, 'conversation' | 'seq' | 'at'>) {
  return { _id: new ObjectId(), from: '', kind: 'void', fields: '', ...place }
}

type Found = Pick<MessageDocument, '_id' | 'seq' | 'at' | 'from' | 'clientId'>

function placeOf({ _id, seq, at, from, clientId }: Found): StoredPlace {
  return { seq, at, from, token: _id.toHexString(), clientId }
}

function entryOf(conversation: string, found: Found & { kind: string; fields: string }): Entry {
  const { seq, at, from, clientId, kind, fields } = found
  const messageId = clientId?.startsWith('#') ? undefined : clientId
  return { conversation, from, body: { kind, messageId, fields }, seq, at }
}
