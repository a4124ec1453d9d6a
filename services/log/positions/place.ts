// The rules of write-once positions (as in CORFU): entries of one conversation get positions from a
// sequencer that may forget, and are written where nothing else may be written again. Whoever finds
// a position taken looks at the log and takes new ones. No rule depends on what Redis remembers.

import type { BoundedMap } from '../../../protocol/bounded-map.ts'
import { makeBoundedMap } from '../../../protocol/bounded-map.ts'
import type { Clock } from '../../../protocol/clock.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import type { AppendOutcome, NewMessage } from '../ports.ts'
import type { Insist } from './attempts.ts'
import type { PlacedEntry, PositionStore, Sequencer, StoredPlace } from './ports.ts'

/** A message with what it is known by. */
export interface Placeable {
  readonly message: NewMessage
  readonly token: string
  readonly clientId: string | undefined
}

export interface PlaceParts {
  readonly sequencer: Sequencer
  readonly store: Pick<PositionStore, 'insert' | 'fill' | 'find' | 'head'>
  readonly insist: Insist
  readonly clock: Clock
}

/** Messages of one conversation to be stored, one batch of it at a time. */
interface Batch {
  /** One or more. */
  readonly items: readonly Placeable[]
  readonly at: number
  /** When it is given up, ms since the epoch. */
  readonly giveUpAt: number
  /** Called for each item, in their order, when it is known where it is stored. */
  readonly placed: (index: number, outcome: AppendOutcome) => void
}

/** Stores the batch in its order. Rejects with `StoreFailure` at `giveUpAt`: what was not `placed`
 * by then may be stored later, under the same tokens and client ids, or never. */
export type Place = (batch: Batch) => Promise<void>

/** A batch with its conversation. */
interface Going extends Batch {
  readonly conversation: string
}

/** What this process knows of the positions of a conversation. */
interface Known {
  readonly epoch: string
  /** The log reaches at least this far. */
  readonly floor: number
}

const knownMax = 100_000

export function makePlace(parts: PlaceParts): Place {
  const known = makeBoundedMap<string, Known>(knownMax)
  const reserve = makeReserve(parts, known)
  return async (placing) => {
    const conversation = placing.items[0]?.message.conversation ?? ''
    const batch: Going = {
      ...placing,
      conversation,
      // Wherever it was found to stand: what its sender says next must come after it.
      placed(index, outcome) {
        raiseFloor(known, conversation, outcome.seq)
        placing.placed(index, outcome)
      },
    }
    const waiting = await passOverStored(parts, batch)
    let isFresh = batch.items.some(({ message }) => message.mayBeStored === true)
    while (waiting.length > 0) {
      const first = await reserve(batch, waiting.length, isFresh)
      isFresh = await write(parts, batch, { waiting, first })
      // What others write may be in the way again and again.
      if (waiting.length > 0) notTooLate(parts, batch)
    }
  }
}

/** An item that waits for its place. */
interface Waiting extends Placeable {
  readonly index: number
}

/** Finds those that are stored already among those that may be, so that retransmissions leave no
 * trail of voids. Returns the others. */
async function passOverStored({ store, insist }: PlaceParts, batch: Going): Promise<Waiting[]> {
  const { conversation, items, giveUpAt } = batch
  const waiting = items.map((item, index): Waiting => ({ ...item, index }))
  const suspects = waiting.filter(
    ({ message, clientId }) => message.mayBeStored === true && clientId !== undefined,
  )
  if (suspects.length === 0) return waiting
  const names = suspects.map(({ message, clientId }) => ({
    from: message.from,
    clientId: clientId as string,
  }))
  const found = await insist(() => store.find(conversation, names), giveUpAt)
  const stored = new Set<number>()
  for (const [n, place] of found.entries()) {
    const suspect = suspects[n]
    if (place === undefined || suspect === undefined) continue
    stored.add(suspect.index)
    batch.placed(suspect.index, outcomeOf(suspect, place))
  }
  return waiting.filter(({ index }) => !stored.has(index))
}

/** Takes positions that are above all that this process, or the log when it was asked, has seen.
 * The log is asked about in a new life of the counter, and when somebody has just come: what they
 * had stored elsewhere must not come after what they send now. */
function makeReserve(parts: PlaceParts, known: BoundedMap<string, Known>) {
  const { sequencer, store, insist } = parts
  return async (batch: Going, count: number, isFresh: boolean) => {
    const { conversation, giveUpAt } = batch
    for (let mustLook = isFresh; ; mustLook = false) {
      const { first, epoch } = await insist(() => sequencer.reserve(conversation, count), giveUpAt)
      const before = known.get(conversation)
      let floor = before?.floor ?? 0
      if (mustLook || before?.epoch !== epoch) {
        const head = await insist(() => store.head(conversation), giveUpAt)
        floor = Math.max(floor, head)
      }
      known.set(conversation, { epoch, floor })
      if (first > floor) return first
      notTooLate(parts, batch)
      await insist(() => sequencer.raise(conversation, floor), giveUpAt)
      await giveBack(parts, batch, { from: Math.max(first, floor + 1), end: first + count })
    }
  }
}

/** Fills positions that were reserved and are not used, so that nobody waits for them. A help to
 * readers only: they fill what stays. */
async function giveBack(
  { store }: PlaceParts,
  { conversation, at }: Going,
  { from, end }: { readonly from: number; readonly end: number },
): Promise<void> {
  const seqs = Array.from({ length: Math.max(0, end - from) }, (_, n) => from + n)
  if (seqs.length > 0) await store.fill(conversation, seqs, at).catch(() => undefined)
}

interface Attempt {
  /** Those that have no place yet; becomes what is left. */
  readonly waiting: Waiting[]
  readonly first: number
}

/** Writes at the reserved positions until all is written or something else stands there. Resolves
 * with whether the log must be looked at before other positions are used. */
async function write(parts: PlaceParts, batch: Going, attempt: Attempt): Promise<boolean> {
  const { store, insist } = parts
  const { giveUpAt } = batch
  const { waiting } = attempt
  let seq = attempt.first
  const end = seq + waiting.length
  for (;;) {
    const entries = waiting.map((item, n) => entryAt(item, seq + n, batch))
    // The same again at the same positions when there is no answer: that is harmless.
    const inserted = await insist(() => store.insert(entries), giveUpAt)
    const stored = waiting.splice(0, inserted.kind === 'stored' ? waiting.length : inserted.index)
    for (const { index } of stored) {
      batch.placed(index, { kind: 'appended', seq: seq++, at: batch.at })
    }
    if (inserted.kind === 'stored') return false
    const [item] = waiting
    if (item === undefined) return false
    const { there } = inserted
    if (isSame(item, there)) {
      waiting.shift()
      batch.placed(item.index, outcomeOf(item, there))
      // An answer was lost: it stands where it was to stand, and so may the next.
      if (there.seq === seq && there.token === item.token) {
        seq++
        if (waiting.length === 0) return false
        continue
      }
    }
    const isTaken = there.seq === seq
    await giveBack(parts, batch, { from: isTaken ? seq + 1 : seq, end })
    // Of a void nothing is learned but that it is there.
    return there.from !== ''
  }
}

function notTooLate({ clock }: PlaceParts, { giveUpAt }: Going): void {
  if (clock() >= giveUpAt) throw new StoreFailure('positions were taken again and again')
}

function entryAt({ message, token, clientId }: Waiting, seq: number, { at }: Batch): PlacedEntry {
  const { conversation, from, body } = message
  return { conversation, from, body, token, clientId, seq, at }
}

function raiseFloor(known: BoundedMap<string, Known>, conversation: string, floor: number): void {
  const before = known.get(conversation)
  if (before === undefined || before.floor >= floor) return
  known.set(conversation, { ...before, floor })
}

function isSame({ message, token, clientId }: Placeable, there: StoredPlace): boolean {
  if (there.token === token) return true
  return clientId !== undefined && there.clientId === clientId && there.from === message.from
}

/** Stored by this attempt, or by another for the same message. */
function outcomeOf({ token }: Placeable, { token: stored, seq, at }: StoredPlace): AppendOutcome {
  return { kind: stored === token ? 'appended' : 'duplicate', seq, at }
}
