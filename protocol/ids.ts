// Names: which strings are ids, and how a conversation's id follows from its members.
// Pure functions; no other file decides what a valid name is.

import { createHash } from 'node:crypto'
import { idBytesMax, messageIdBytesMax } from './limits.ts'

// `/ + # $` have a meaning in topics; \p{C} are controls, surrogates and unassigned, \p{Z} spaces.
const forbiddenInId = /[/+#$\p{C}\p{Z}]/u
const forbiddenInMessageId = /\p{C}/u

/** Whether the string may name a user, a group or a device: 1–128 bytes, none of `/ + # $`,
 * no space, no control character. `.` and `..` may not: no URL can hold them. */
export function isId(text: string): boolean {
  if (text === '.' || text === '..') return false
  return text.length > 0 && fits(text, idBytesMax) && !forbiddenInId.test(text)
}

/** Whether an app may give this id to a message: 1–128 bytes, no control character, and not
 * beginning with `#`, which marks the ids the server makes (`serverMessageId`). */
export function isMessageId(text: string): boolean {
  return (
    text.length > 0 &&
    text.charCodeAt(0) !== 0x23 &&
    fits(text, messageIdBytesMax) &&
    !forbiddenInMessageId.test(text)
  )
}

/** The id of a message to which the app gave none: unique within its conversation. */
export function serverMessageId(seq: number): string {
  return `#${seq}`
}

/** The id of the direct conversation of two users, the same whoever asks: `d:` and 22 characters
 * of a hash of the sorted pair. Being a hash it spreads conversations evenly over shards. A user
 * may converse with themself. */
export function directConversation(a: string, b: string): string {
  // NUL cannot occur in an id, so no two pairs give the same text.
  const pair = a < b ? `${a}\0${b}` : `${b}\0${a}`
  return `d:${createHash('sha256').update(pair).digest('base64url').slice(0, 22)}`
}

/** The id of a group's conversation: `g:` and the group's id. */
export function groupConversation(group: string): string {
  return `g:${group}`
}

function fits(text: string, bytesMax: number): boolean {
  return text.length <= bytesMax && Buffer.byteLength(text) <= bytesMax
}
