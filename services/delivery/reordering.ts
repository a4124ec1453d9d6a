// Entries that two brokers stored at nearly the same time may arrive here in the wrong order. They
// wait a moment for the one that is missing, so that not every session has to read the log for it.

import type { Entry } from '../../protocol/entry.ts'

interface ReorderingParts {
  /** The newest position known of a conversation; undefined when nobody is there. */
  readonly headOf: (conversation: string) => number | undefined
  /** Delivers an entry, and raises the head. */
  readonly deliver: (entry: Entry) => void
  /** Whether what is missing may still come by itself. */
  readonly mayCome: () => boolean
}

export interface Reordering {
  /** Delivers the entry: at once, or when those before it are there, or when they do not come. */
  take(entry: Entry): void
  close(): void
}

interface Gap {
  readonly entries: Map<number, Entry>
  readonly timer: NodeJS.Timeout
}

const waitMs = 40
/** Most entries that wait in one room, and most rooms that wait: those above are not held back. */
const entriesMax = 64
const gapsMax = 1000

export function makeReordering({ headOf, deliver, mayCome }: ReorderingParts): Reordering {
  const gaps = new Map<string, Gap>()

  const giveUp = (conversation: string) => {
    const gap = gaps.get(conversation)
    if (gap === undefined) return
    gaps.delete(conversation)
    clearTimeout(gap.timer)
    // The sessions read what is missing from the log.
    for (const seq of [...gap.entries.keys()].sort((a, b) => a - b)) {
      deliver(gap.entries.get(seq) as Entry)
    }
  }

  const hold = (entry: Entry) => {
    const { conversation, seq } = entry
    let gap = gaps.get(conversation)
    if (gap === undefined) {
      if (gaps.size >= gapsMax) return deliver(entry)
      gap = { entries: new Map(), timer: setTimeout(giveUp, waitMs, conversation) }
      gaps.set(conversation, gap)
    }
    gap.entries.set(seq, entry)
    if (gap.entries.size >= entriesMax) giveUp(conversation)
  }

  /** Delivers those that the head has come up to. */
  const follow = (conversation: string, gap: Gap) => {
    for (;;) {
      const next = (headOf(conversation) ?? Number.POSITIVE_INFINITY) + 1
      const entry = gap.entries.get(next)
      if (entry === undefined) break
      gap.entries.delete(next)
      deliver(entry)
    }
    if (gap.entries.size > 0) return
    clearTimeout(gap.timer)
    gaps.delete(conversation)
  }

  return {
    take(entry) {
      const head = headOf(entry.conversation)
      if (head !== undefined && entry.seq > head + 1 && mayCome()) return hold(entry)
      deliver(entry)
      const gap = gaps.get(entry.conversation)
      if (gap !== undefined) follow(entry.conversation, gap)
    },
    close() {
      for (const { timer } of gaps.values()) clearTimeout(timer)
      gaps.clear()
    },
  }
}
