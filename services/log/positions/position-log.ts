// The log of a cluster as a `LogStore`: any process may append to any conversation, at write-once
// positions. One batch of a conversation is under way at a time; conversations do not wait for each
// other.

import type { Clock } from '../../../protocol/clock.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import type { AppendOutcome, AppendResult, DevicePacket, LogStore, NewMessage } from '../ports.ts'
import type { AttemptParts, Insist } from './attempts.ts'
import { makeInsist } from './attempts.ts'
import type { Place, Placeable } from './place.ts'
import { makePlace } from './place.ts'
import type { PacketClaim, PositionStore, Sequencer } from './ports.ts'
import { makeSettledRead } from './settled-read.ts'

export interface PositionLogParts extends Omit<AttemptParts, 'clock'> {
  readonly sequencer: Sequencer
  readonly store: PositionStore
  readonly clock: Clock
  /** One after the other, by key. */
  readonly withLock: <Result>(key: string, work: () => Promise<Result>) => Promise<Result>
  /** A name that nothing had before. */
  readonly makeToken: () => string
}

export interface PositionLogOptions {
  /** How long an append waits for a store that fails, ms. */
  readonly waitMs: number
  /** After so long a position that nobody has written is filled with a void, ms. Any value is safe,
   * because whoever writes first wins. */
  readonly fillAfterMs: number
}

export interface PositionLog extends LogStore {
  /** Stores messages of one conversation, in their order. Tries again while the store fails, and
   * answers `failed` after `waitMs`: those may be stored later all the same, and are then found
   * when they come again. */
  place(batch: readonly NewMessage[], at: number): Promise<readonly AppendResult[]>
}

/** What stands for a message without an id in the place of one: apps cannot give such ids. */
const ownIdMark = '#'

/** Makes the log. */
export function makePositionLog(parts: PositionLogParts, options: PositionLogOptions): PositionLog {
  const { store, clock, withLock } = parts
  const insist = makeInsist(parts)
  const place = makePlace({ ...parts, insist })
  const name = makeNaming(parts, insist)

  const placeNamed = async (batch: readonly NewMessage[], at: number) => {
    const giveUpAt = clock() + options.waitMs
    const results = batch.map((): AppendResult => ({ kind: 'failed' }))
    try {
      const items = await name(batch, giveUpAt)
      await placeEach(place, { items, results, at, giveUpAt })
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error
    }
    return results
  }

  const placeOne: PositionLog['place'] = async (batch, at) => {
    const [first] = batch
    return first === undefined ? [] : withLock(first.conversation, () => placeNamed(batch, at))
  }

  return {
    place: placeOne,
    async append(batch, at) {
      const outcomes = new Array<AppendOutcome>(batch.length)
      const placing = [...byConversation(batch)].map(async ([, indexes]) => {
        const results = await placeOne(
          indexes.map((index) => batch[index] as NewMessage),
          at,
        )
        for (const [n, result] of results.entries()) {
          if (result.kind === 'failed') throw new StoreFailure('not all of it could be stored')
          outcomes[indexes[n] as number] = result
        }
      })
      await Promise.all(placing)
      return outcomes
    },
    heads: store.heads,
    releasePackets: store.releasePackets,
    unreleasedPackets: store.unreleasedPackets,
    read: makeSettledRead(parts, options),
  }
}

interface Placing {
  readonly items: readonly Placeable[]
  readonly results: AppendResult[]
  readonly at: number
  readonly giveUpAt: number
}

/** Places messages of one conversation. What is the same message twice is stored once. */
async function placeEach(place: Place, { items, results, at, giveUpAt }: Placing): Promise<void> {
  const firsts = new Map<string, number>()
  const unique: number[] = []
  const firstOf = items.map(({ message, clientId }, index) => {
    const key = clientId === undefined ? undefined : `${message.from} ${clientId}`
    const first = (key === undefined ? undefined : firsts.get(key)) ?? index
    if (first === index) unique.push(index)
    if (key !== undefined) firsts.set(key, first)
    return first
  })
  const placed = (n: number, outcome: AppendOutcome) => {
    results[unique[n] as number] = outcome
  }
  try {
    await place({ items: unique.map((index) => items[index] as Placeable), at, giveUpAt, placed })
  } finally {
    for (const [index, first] of firstOf.entries()) {
      const result = results[first]
      if (first === index || result === undefined || result.kind === 'failed') continue
      results[index] = { ...result, kind: 'duplicate' }
    }
  }
}

/** Gives each message what it is known by. A packet of QoS 2 is noted first, so that one that comes
 * again, here or elsewhere, finds the token of its message. */
function makeNaming({ store, makeToken }: PositionLogParts, insist: Insist) {
  return async (batch: readonly NewMessage[], giveUpAt: number): Promise<readonly Placeable[]> => {
    const items = batch.map((message): Placeable => {
      return { message, token: makeToken(), clientId: message.body.messageId }
    })
    const claimers = items.filter(({ message }) => message.packet !== undefined)
    if (claimers.length === 0) return items
    const claims = claimers.map(({ message: { packet, from }, token }): PacketClaim => {
      return { ...(packet as DevicePacket), user: from, token }
    })
    const tokens = await insist(() => store.claim(claims), giveUpAt)
    const claimed = new Map(claimers.map((item, n) => [item, tokens[n]] as const))
    return items.map((item) => nameByPacket(item, claimed.get(item)))
  }
}

/** A message without an id is known by the token of its packet. */
function nameByPacket(item: Placeable, token: string | undefined): Placeable {
  if (token === undefined) return item
  const { message, clientId = `${ownIdMark}${token}` } = item
  const isRepeat = token !== item.token
  return { ...item, clientId, message: isRepeat ? { ...message, mayBeStored: true } : message }
}

function byConversation(batch: readonly NewMessage[]): ReadonlyMap<string, readonly number[]> {
  const groups = new Map<string, number[]>()
  for (const [index, { conversation }] of batch.entries()) {
    const group = groups.get(conversation)
    if (group === undefined) groups.set(conversation, [index])
    else group.push(index)
  }
  return groups
}
