// Inserts, joined: what is asked in one turn goes as few commands. Raw commands, because the bulk
// API of the driver measures each document before it writes it, and writes it twice by that.

import type { Db, Document } from 'mongodb'
import { StoreFailure } from '../../protocol/failure.ts'
import { asFailure, isPassingCode } from './failures.ts'

/** Why a document was not inserted. */
export interface InsertError {
  readonly index: number
  readonly code: number
  readonly message: string
  /** The fields of the index that refused it; empty if none did. */
  readonly keyPattern: Document
}

export interface Inserts {
  /** Inserts documents in their order, up to the first that is refused; resolves with that, or
   * undefined. Joined with the other calls of the turn. */
  insertOrdered(documents: readonly Document[]): Promise<InsertError | undefined>
  /** Inserts what can be; resolves with what was refused. */
  insertEach(documents: readonly Document[]): Promise<readonly InsertError[]>
}

/** Durable on a majority, in their journals. */
const writeConcern = { w: 'majority', j: true, wtimeout: 5000 } as const
const commandMsMax = 5000
/** Most documents of one command. */
const documentsMax = 500
/** Most ordered commands of a turn that are under way at a time. */
const orderedMax = 4

/** A call that waits for its turn. */
interface Waiting {
  readonly documents: readonly Document[]
  readonly resolve: (error: InsertError | undefined) => void
  readonly reject: (error: unknown) => void
}

/** Makes the inserts into a collection. */
export function makeInserts(db: Db, name: string): Inserts {
  let waiting: Waiting[] = []

  const send = async (documents: readonly Document[], ordered: boolean) => {
    const answer = await db.command({
      insert: name,
      documents: documents as Document[],
      ordered,
      writeConcern,
      maxTimeMS: commandMsMax,
    })
    return errorsOf(answer)
  }

  /** Those with one document each need no order among them: they go together, to all shards at
   * once. */
  const sendSingles = async (calls: readonly Waiting[]) => {
    const errors = await send(
      calls.map(({ documents }) => documents[0] as Document),
      false,
    )
    const byIndex = new Map(errors.map((error) => [error.index, error]))
    for (const [index, { resolve }] of calls.entries()) {
      const error = byIndex.get(index)
      resolve(error && { ...error, index: 0 })
    }
  }

  /** Several documents of one conversation go in their order. A router would send an ordered
   * command over several shards piece by piece, so those of few conversations share one. */
  const sendRuns = async (calls: readonly Waiting[]) => {
    for (let first = 0; first < calls.length; ) {
      const rest = calls.slice(first)
      const [error] = await send(
        rest.flatMap(({ documents }) => documents),
        true,
      )
      let end = 0
      for (const { documents, resolve } of rest) {
        const begin = end
        end += documents.length
        if (error !== undefined && error.index < begin) break
        first++
        const isIts = error !== undefined && error.index < end
        resolve(isIts ? { ...error, index: error.index - begin } : undefined)
      }
    }
  }

  const carryOut = (calls: readonly Waiting[], work: typeof sendRuns) => {
    work(calls).catch((error: unknown) => {
      const failure = asFailure(error)
      for (const { reject } of calls) reject(failure)
    })
  }

  const flush = () => {
    const all = waiting
    waiting = []
    const singles = all.filter(({ documents }) => documents.length === 1)
    for (let from = 0; from < singles.length; from += documentsMax) {
      carryOut(singles.slice(from, from + documentsMax), sendSingles)
    }
    for (const run of spread(all.filter(({ documents }) => documents.length > 1))) {
      carryOut(run, sendRuns)
    }
  }

  return {
    insertOrdered: (documents) =>
      new Promise((resolve, reject) => {
        waiting.push({ documents, resolve, reject })
        if (waiting.length === 1) setImmediate(flush)
      }),
    async insertEach(documents) {
      return documents.length === 0 ? [] : send(documents, false)
    },
  }
}

/** Spreads calls over a few commands, each of bounded size. */
function spread(calls: readonly Waiting[]): readonly (readonly Waiting[])[] {
  const total = calls.reduce((sum, { documents }) => sum + documents.length, 0)
  const share = Math.min(documentsMax, Math.ceil(total / orderedMax))
  const runs: Waiting[][] = []
  let size = 0
  for (const call of calls) {
    const run = runs.at(-1)
    if (run === undefined || size >= share) {
      runs.push([call])
      size = 0
    } else run.push(call)
    size += call.documents.length
  }
  return runs
}

/** Rejects with `StoreFailure` when it is not known whether everything is durable. */
function errorsOf(answer: Document): readonly InsertError[] {
  const { writeErrors = [], writeConcernError } = answer
  if (writeConcernError !== undefined) {
    throw new StoreFailure(`MongoDB: not durable in time: ${writeConcernError.errmsg}`)
  }
  return (writeErrors as readonly Document[]).map((error): InsertError => {
    const { index, code, errmsg, keyPattern = {} } = error
    if (isPassingCode(code)) throw new StoreFailure(`MongoDB: ${errmsg}`)
    return { index, code, message: errmsg, keyPattern }
  })
}
