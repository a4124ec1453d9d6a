// Faults that are planted to prove that the checks see them. Each takes a rule away from the
// outside: by what a process is told of the engines, or by how it is put together.

import type { Entry } from '../../../protocol/entry.ts'
import { voidEntry } from '../../../protocol/entry.ts'
import type { LogStore } from '../../../services/log/ports.ts'
import type { PositionStore, Sequencer } from '../../../services/log/positions/ports.ts'

/** - `no-conflict-check`: an entry whose position is taken counts as stored.
 * - `keep-rest`: after a conflict the rest is written at the positions it had.
 * - `two-batches`: a conversation has two lanes in a process.
 * - `unordered`: the store goes on after an entry that it could not insert.
 * - `no-fill-check`: who fills a hole takes it for void, whatever the store says.
 * - `no-look`: a process never looks how far the log reaches: not in another life of the sequencer,
 *   and not when somebody has just come. */
export const sabotages = [
  'no-conflict-check',
  'keep-rest',
  'two-batches',
  'unordered',
  'no-fill-check',
  'no-look',
] as const

export type Sabotage = (typeof sabotages)[number]

/** The engines of one process, as it is told of them. */
export interface Engines {
  readonly store: PositionStore
  readonly sequencer: Sequencer
}

export function sabotaged(engines: Engines, sabotage: Sabotage | undefined): Engines {
  const { store } = engines
  if (sabotage === 'no-conflict-check') return { ...engines, store: blind(store) }
  if (sabotage === 'no-fill-check') return { ...engines, store: hasty(store) }
  if (sabotage === 'keep-rest') return { ...engines, store: stubborn(store) }
  if (sabotage === 'no-look') return { ...engines, store: { ...store, head: async () => 0 } }
  return engines
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

function stubborn(store: PositionStore): PositionStore {
  return {
    ...store,
    async insert(entries) {
      const inserted = await store.insert(entries)
      if (inserted.kind === 'conflict') {
        const rest = entries.slice(inserted.index + 1)
        if (rest.length > 0) await store.insert(rest)
      }
      return inserted
    },
  }
}
