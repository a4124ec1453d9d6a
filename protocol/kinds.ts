// Kinds of entries the contract gives a meaning to.

/** Entries that are no messages of their own: they change another one, or hold an empty place.
 * They are not unread. */
export const uncountedKinds: readonly string[] = ['void', 'edit', 'delete', 'reaction']

const uncounted: ReadonlySet<string> = new Set(uncountedKinds)

/** Whether an entry of this kind, from somebody else, is unread until it was read. */
export function countsAsUnread(kind: string): boolean {
  return !uncounted.has(kind)
}
