// A store of write-once positions in memory, and a sequencer, that do at once what they are told.

import { voidEntry } from '../../../../protocol/entry.ts'
import type { NewMessage } from '../../../../services/log/ports.ts'
import type {
  PlacedEntry,
  PositionStore,
  Sequencer,
  StoredPlace,
} from '../../../../services/log/positions/ports.ts'

export interface MemoryPositions
  extends Pick<PositionStore, 'insert' | 'fill' | 'find' | 'head' | 'read'> {
  readonly entries: Map<number, PlacedEntry>
}

/** Of one conversation. */
export function makeMemoryPositions(): MemoryPositions {
  const entries = new Map<number, PlacedEntry>()
  const named = (from: string, clientId: string | undefined): StoredPlace | undefined =>
    clientId === undefined
      ? undefined
      : [...entries.values()].find((it) => it.from === from && it.clientId === clientId)
  return {
    entries,
    async insert(added) {
      for (const [index, entry] of added.entries()) {
        const there = entries.get(entry.seq) ?? named(entry.from, entry.clientId)
        if (there !== undefined) return { kind: 'conflict', index, there }
        entries.set(entry.seq, entry)
      }
      return { kind: 'stored' }
    },
    async fill(conversation, seqs, at) {
      for (const seq of seqs) {
        if (entries.has(seq)) continue
        entries.set(seq, { ...voidEntry(conversation, seq, at), token: '', clientId: undefined })
      }
    },
    find: async (_, names) => names.map(({ from, clientId }) => named(from, clientId)),
    head: async () => Math.max(0, ...entries.keys()),
    async read(_, { after = 0, before = Number.POSITIVE_INFINITY, newestFirst, limit }) {
      const seqs = [...entries.keys()].filter((seq) => seq > after && seq < before)
      seqs.sort((a, b) => (newestFirst ? b - a : a - b))
      return seqs.slice(0, limit).map((seq) => entries.get(seq) as PlacedEntry)
    },
  }
}

export interface MemorySequencer extends Sequencer {
  last: number
  epoch: string
}

export function makeMemorySequencer(): MemorySequencer {
  return {
    last: 0,
    epoch: 'first',
    async reserve(_, count) {
      this.last += count
      return { first: this.last - count + 1, epoch: this.epoch }
    },
    async raise(_, head) {
      this.last = Math.max(this.last, head)
    },
  }
}

/** A message of alice with an id. */
export function messageOf(messageId: string, mayBeStored = false): NewMessage {
  const body = { kind: 'text', messageId, fields: `"text":"${messageId}"` }
  return { conversation: 'g:town', from: 'alice', body, mayBeStored }
}

/** The same, stored at a position. */
export function placed(messageId: string, seq: number): PlacedEntry {
  return { ...messageOf(messageId), seq, at: 1, token: `t-${messageId}`, clientId: messageId }
}
