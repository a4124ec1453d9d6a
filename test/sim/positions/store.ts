// The simulated store of a cluster: positions that are written once, and packets. What is asked
// of it is done piece by piece, in between what others ask.

import type { Entry } from '../../../protocol/entry.ts'
import { voidEntry } from '../../../protocol/entry.ts'
import type {
  Inserted,
  PacketClaim,
  PlacedEntry,
  PositionStore,
  StoredPlace,
} from '../../../services/log/positions/ports.ts'
import type { Random } from '../random.ts'
import type { Caller, Network, Perform } from './network.ts'
import type { Time } from './time.ts'

interface Packet {
  readonly fingerprint: number
  readonly token: string
}

interface Conversation {
  readonly slots: Map<number, PlacedEntry>
  /** Positions by `from clientId`. */
  readonly names: Map<string, number>
  head: number
}

export interface SimulatedStore {
  /** The store as a process sees it. */
  portOf(caller: Caller): PositionStore
  /** All that is stored, as nobody can see it; by position. */
  contents(conversation: string): ReadonlyMap<number, PlacedEntry>
  head(conversation: string): number
}

export interface StoreParts {
  readonly time: Time
  readonly random: Random
  readonly network: Network
  /** Planted: goes on after an entry that cannot be inserted. */
  readonly isUnordered: boolean
}

/** How long a process waits for an answer, ms. */
const timeoutMs = 60

export function makeStore({ time, random, network, isUnordered }: StoreParts): SimulatedStore {
  const conversations = new Map<string, Conversation>()
  const packets = new Map<string, Packet>()
  const of = (name: string): Conversation => {
    const known = conversations.get(name)
    if (known !== undefined) return known
    const made = { slots: new Map(), names: new Map(), head: 0 }
    conversations.set(name, made)
    return made
  }

  /** Writes one entry; returns what stands in its way. */
  const write = (entry: PlacedEntry): StoredPlace | undefined => {
    const { slots, names, head } = of(entry.conversation)
    const { seq, from, clientId } = entry
    const name = clientId === undefined ? undefined : `${from} ${clientId}`
    const there = slots.get(seq) ?? slots.get(names.get(name ?? '') ?? 0)
    if (there !== undefined) return there
    slots.set(seq, entry)
    if (name !== undefined) names.set(name, seq)
    of(entry.conversation).head = Math.max(head, seq)
    return undefined
  }

  const insertAll = (
    entries: readonly PlacedEntry[],
    done: (conflicts: ReadonlyMap<number, StoredPlace>) => void,
    goesOn: boolean,
  ) => {
    const conflicts = new Map<number, StoredPlace>()
    const step = (index: number): void => {
      const entry = entries[index]
      if (entry === undefined) return done(conflicts)
      const there = write(entry)
      if (there !== undefined) conflicts.set(index, there)
      if (there !== undefined && !goesOn) return done(conflicts)
      time.at(random.below(10) / 10, () => step(index + 1))
    }
    step(0)
  }

  const claimOne = ({ user, device, packetId, isRepeat, fingerprint, token }: PacketClaim) => {
    const key = `${user}/${device}/${packetId}`
    const known = packets.get(key)
    if (known !== undefined && (isRepeat || known.fingerprint === fingerprint)) return known.token
    packets.set(key, { fingerprint, token })
    return token
  }

  const portOf = (caller: Caller): PositionStore => {
    const ask = <Result>(perform: Perform<Result>) => network.ask(caller, timeoutMs, perform)
    return {
      insert: (entries) =>
        ask<Inserted>((answer) => {
          const done = (conflicts: ReadonlyMap<number, StoredPlace>) => {
            const [first] = conflicts
            if (first === undefined) return answer({ kind: 'stored' })
            answer({ kind: 'conflict', index: first[0], there: first[1] })
          }
          insertAll(entries, done, isUnordered)
        }),
      fill: (conversation, seqs, at) =>
        ask<void>((answer) => {
          const voids = seqs.map((seq) => voidOf(conversation, seq, at))
          insertAll(voids, () => answer(), true)
        }),
      find: (conversation, wanted) =>
        ask((answer) => {
          const { slots, names } = of(conversation)
          answer(
            wanted.map(({ from, clientId }) => slots.get(names.get(`${from} ${clientId}`) ?? 0)),
          )
        }),
      head: (conversation) => ask((answer) => answer(of(conversation).head)),
      heads: (all) => ask((answer) => answer(all.map((name) => of(name).head))),
      read: (conversation, { after = 0, before = Number.POSITIVE_INFINITY, ...range }) =>
        ask((answer) => {
          const { slots } = of(conversation)
          const seqs = [...slots.keys()].filter((seq) => seq > after && seq < before)
          seqs.sort((a, b) => (range.newestFirst ? b - a : a - b))
          answer(seqs.slice(0, range.limit).map((seq) => slots.get(seq) as Entry))
        }),
      claim: (claims) => ask((answer) => answer(claims.map(claimOne))),
      // Nobody releases here: every packet of a history has an id of its own.
      releasePackets: async () => {},
      unreleasedPackets: async () => [],
    }
  }

  return {
    portOf,
    contents: (conversation) => of(conversation).slots,
    head: (conversation) => of(conversation).head,
  }
}

function voidOf(conversation: string, seq: number, at: number): PlacedEntry {
  return { ...voidEntry(conversation, seq, at), token: `void ${seq}`, clientId: undefined }
}
