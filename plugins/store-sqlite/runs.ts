// Runs: what one sender says in one conversation within one commit lies in one row of the log, at
// the position of its last entry. Under load that is a fraction of the work for SQLite. Here is
// which entries make a run, and how they lie in the row.

import type { NewEntry } from '../../protocol/entry.ts'

/** Most entries of a run, and about how many characters: who reads one entry reads its run. */
const entriesMax = 64
const charactersMax = 16_384
/** A run costs two statements, an entry by itself one. */
export const runMin = 3

/** Entries of one conversation, sender and kind, at consecutive positions. */
export interface Run {
  readonly entries: NewEntry[]
  /** Where each stands in the batch. */
  readonly indexes: number[]
  characters: number
}

/** The batch as runs. Entries of a conversation keep their order; runs of different conversations
 * may overtake each other. */
export function runsOf(batch: readonly NewEntry[]): readonly Run[] {
  const runs: Run[] = []
  const open = new Map<string, Run>()
  for (const [index, entry] of batch.entries()) {
    let run = open.get(entry.conversation)
    if (run === undefined || !isOf(run, entry)) {
      run = { entries: [], indexes: [], characters: 0 }
      open.set(entry.conversation, run)
      runs.push(run)
    }
    run.entries.push(entry)
    run.indexes.push(index)
    run.characters += entry.body.fields.length
  }
  return runs
}

function isOf({ entries, characters }: Run, { from, body }: NewEntry): boolean {
  const [first] = entries
  return (
    first?.from === from &&
    first.body.kind === body.kind &&
    entries.length < entriesMax &&
    characters < charactersMax
  )
}

// Neither ids nor JSON hold control characters.
const betweenEntries = '\x1e'
const afterId = '\x1f'

/** The text of a run's row: id and fields of each entry. */
export function joinRun(entries: readonly NewEntry[]): string {
  return entries
    .map(({ body }) => `${body.messageId ?? ''}${afterId}${body.fields}`)
    .join(betweenEntries)
}

/** Id and fields of each entry of a run's row, in order. */
export function splitRun(
  text: string,
): readonly { readonly messageId: string | undefined; readonly fields: string }[] {
  return text.split(betweenEntries).map((entry) => {
    const end = entry.indexOf(afterId)
    return { messageId: entry.slice(0, end) || undefined, fields: entry.slice(end + 1) }
  })
}
