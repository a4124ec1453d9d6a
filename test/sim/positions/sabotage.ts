// Faults that are planted to prove that the checks see them. Each takes a rule away from the outside:
// by what a process is told of the engines, or by how it is put together.

import type { Entry } from '../../../protocol/entry.ts'
import { voidEntry } from '../../../protocol/entry.ts'
import type { LogStore } from '../../../services/log/ports.ts'
import type { PositionStore, Sequencer } from '../../../services/log/positions/ports.ts'

/** - `no-conflict-check`: an entry whose position is taken counts as stored.
 * - `keep-rest`: after a conflict the rest is written at the positions it had.
 * - `two-batches`: a conversation has two lanes in a process.
 * - `no-epoch`: a process does not hear that the sequencer has begun another life.
 * - `unordered`: the store goes on after an entry that it could not insert.
 * - `no-fill-check`: who fills a hole takes it for void, whatever the store says.
 * - `no-fresh-look`: a process does not know who has just come, or sends again.
 * - `no-lane-failure`: what waits behind a message that was given up is stored all the same.
 * - `no-raise`: the counter stays where it is when the log is ahead of it. */
export type Sabotage =
  | 'no-conflict-check'
  | 'keep-rest'
  | 'two-batches'
  | 'no-epoch'
  | 'unordered'
  | 'no-fill-check'
  | 'no-fresh-look'
  | 'no-lane-failure'
  | 'no-raise'

/** The engines of one process, as it is told of them. */
export interface Engines {
  readonly store: PositionStore
  readonly sequencer: Sequencer
}

export function sabotaged(engines: Engines, sabotage: Sabotage | undefined): Engines {
  const { store, sequencer } = engines
  if (sabotage === 'no-conflict-check') return { ...engines, store: blind(store) }
  if (sabotage === 'no-fill-check') return { ...engines, store: hasty(store) }
  if (sabotage === 'keep-rest') return keepingRest(engines)
  if (sabotage === 'no-raise') return { store, sequencer: { ...sequencer, raise: async () => {} } }
  if (sabotage !== 'no-epoch') return engines
  const reserve: Sequencer['reserve'] = async (conversation, count) => {
    return { ...(await sequencer.reserve(conversation, count)), epoch: 'always' }
  }
  return { store, sequencer: { ...sequencer, reserve } }
}

function blind(store: PositionStore): PositionStore {
  return {
    ...store,
    async insert(entries) {
      await store.insert(entries)
      return { kind: 'stored' }
    },
  }
}

/** What it has filled is void to it from then on. */
function hasty(store: PositionStore): PositionStore {
  const filled = new Set<string>()
  const asVoid = (entry: Entry): Entry => {
    const { conversation, seq, at } = entry
    return filled.has(`${conversation} ${seq}`) ? voidEntry(conversation, seq, at) : entry
  }
  const read: LogStore['read'] = async (conversation, range) =>
    (await store.read(conversation, range)).map(asVoid)
  return {
    ...store,
    read,
    async fill(conversation, seqs, at) {
      for (const seq of seqs) filled.add(`${conversation} ${seq}`)
      await store.fill(conversation, seqs, at)
    },
  }
}

/** After a conflict the next reservation is what is left of the one before, and the log seems to end
 * before it. */
function keepingRest({ store, sequencer }: Engines): Engines {
  const rests = new Map<string, { readonly first: number; readonly count: number }>()
  const reserved = new Map<string, string>()
  return {
    store: {
      ...store,
      async insert(entries) {
        const inserted = await store.insert(entries)
        const last = entries.at(-1)
        if (inserted.kind === 'conflict' && last !== undefined) {
          const left = entries.length - inserted.index - 1
          if (left > 0) rests.set(last.conversation, { first: last.seq - left + 1, count: left })
        }
        return inserted
      },
      head: async (conversation) => (rests.has(conversation) ? 0 : store.head(conversation)),
      // What it means to write at is not given up.
      async fill(conversation, seqs, at) {
        if (!rests.has(conversation)) await store.fill(conversation, seqs, at)
      },
    },
    sequencer: {
      ...sequencer,
      async reserve(conversation, count) {
        const rest = rests.get(conversation)
        rests.delete(conversation)
        const epoch = reserved.get(conversation)
        if (rest?.count === count && epoch !== undefined) return { first: rest.first, epoch }
        const taken = await sequencer.reserve(conversation, count)
        reserved.set(conversation, taken.epoch)
        return taken
      },
    },
  }
}
