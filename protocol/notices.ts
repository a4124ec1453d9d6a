// What is said about a conversation without being stored in it: receipts, typing, what is unread.
// The payloads of these QoS 0 messages, and of the publishes that cause them.

import type { Conversation } from './entry.ts'
import { peerOf } from './envelope.ts'

/** How far a member is. The entries of others up to `delivered` have reached one of the member's
 * devices, those up to `read` were read; 0 when none was, and `read` is 0 when the member hides it.
 * Both only move up: of two receipts the higher numbers hold. */
export interface Receipt {
  readonly conversation: string
  readonly from: string
  /** The receiver, in a direct conversation. */
  readonly to?: string
  readonly group?: string
  readonly delivered: number
  readonly read: number
}

/** Somebody is typing, or has stopped. `at` in ms since the epoch. */
export interface TypingNotice {
  readonly conversation: string
  readonly from: string
  readonly to?: string
  readonly group?: string
  readonly typing: boolean
  readonly at: number
}

/** What a user has not read of a conversation, how far the user has, and the sum over all
 * conversations that are not muted. */
export interface UnreadEvent {
  readonly type: 'unread'
  readonly conversation: string
  readonly unread: number
  readonly read: number
  readonly badge: number
}

export function makeReceipt(
  conversation: Conversation,
  from: string,
  { delivered, read }: Pick<Receipt, 'delivered' | 'read'>,
): Receipt {
  return { ...addressOf(conversation, from), delivered, read }
}

export function makeTypingNotice(
  conversation: Conversation,
  from: string,
  { typing, at }: Pick<TypingNotice, 'typing' | 'at'>,
): TypingNotice {
  return { ...addressOf(conversation, from), typing, at }
}

function addressOf(conversation: Conversation, from: string) {
  const { id } = conversation
  return conversation.kind === 'group'
    ? { conversation: id, from, group: conversation.group }
    : { conversation: id, from, to: peerOf(conversation.users, from) }
}

/** Largest payload of these publishes that is looked at, bytes. */
const payloadBytesMax = 1024

/** The position a `…/read` publish names: `{"seq": n}`, an integer from 1. Undefined when the
 * payload is anything else. */
export function parseRead(payload: Buffer): number | undefined {
  const seq = member(payload, 'seq')
  return Number.isSafeInteger(seq) && (seq as number) >= 1 ? (seq as number) : undefined
}

/** What a `…/typing` publish says: that the user is typing, unless it is `{"typing": false}`. */
export function parseTyping(payload: Buffer): boolean {
  return member(payload, 'typing') !== false
}

/** A member of the payload, if that is a JSON object. */
function member(payload: Buffer, name: string): unknown {
  if (payload.length > payloadBytesMax) return undefined
  try {
    const value: unknown = JSON.parse(payload.toString())
    return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
      ? (value as Record<string, unknown>)[name]
      : undefined
  } catch {
    return undefined
  }
}
