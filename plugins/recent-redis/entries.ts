// Entries as Redis has them: one text, members separated by NUL, which none of them can hold.

import type { Entry } from '../../protocol/entry.ts'

const separator = '\0'
const members = 6

export function encodeEntry({ seq, at, from, body }: Omit<Entry, 'conversation'>): string {
  // No id is empty: that stands for none.
  return [seq, at, from, body.kind, body.messageId ?? '', body.fields].join(separator)
}

/** The entry of a position; undefined when the text is of anything else. */
export function decodeEntry(conversation: string, seq: number, text: string): Entry | undefined {
  const parts = text.split(separator)
  const [ownSeq, at, from, kind, messageId, fields] = parts
  if (parts.length !== members || Number(ownSeq) !== seq || !Number.isFinite(Number(at))) return
  if (from === undefined || kind === undefined || fields === undefined) return
  const body = { kind, messageId: messageId || undefined, fields }
  return { conversation, from, body, seq, at: Number(at) }
}
