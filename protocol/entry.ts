// What the log holds: an entry at a position of a conversation. Shapes only.

/** A conversation as far as addressing needs it. `users` is the sorted pair of a direct one (the
 * same user twice for notes to oneself). */
export type Conversation =
  | { readonly kind: 'direct'; readonly id: string; readonly users: readonly [string, string] }
  | { readonly kind: 'group'; readonly id: string; readonly group: string; readonly title: string }

/** The content of a message, parsed and checked. */
export interface MessageBody {
  /** `text`, `media`, `data`, `custom`, or the app's own word. */
  readonly kind: string
  /** The app's id for the message; undefined when it gave none. */
  readonly messageId: string | undefined
  /** The remaining envelope fields as JSON members without the braces, `"text":"hello"`; may be
   * empty. Kept as text, so that an entry is never parsed again on its way to a device. */
  readonly fields: string
}

/** A message on its way into the log. */
export interface NewEntry {
  readonly conversation: string
  readonly from: string
  readonly body: MessageBody
}

/** An entry of the log. Its position and identity never change. In a cluster some positions hold a
 * void, which is nobody's: `isVoid`. */
export interface Entry extends NewEntry {
  /** Position in the conversation: 1, 2, 3, … without holes. */
  readonly seq: number
  /** When it was stored, ms since the epoch. */
  readonly at: number
}

/** Whether a position was given up: it is delivered to nobody, and shown to nobody. */
export function isVoid({ from }: Pick<Entry, 'from'>): boolean {
  return from === ''
}

/** The void of a position. */
export function voidEntry(conversation: string, seq: number, at: number): Entry {
  const body = { kind: 'void', messageId: undefined, fields: '' }
  return { conversation, seq, at, from: '', body }
}
