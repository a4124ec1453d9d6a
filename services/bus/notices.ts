// What brokers tell each other beside entries, and how all of it is written. Pure.

import type { Entry } from '../../protocol/entry.ts'

/** How far a member is, as the others may see it. */
export interface PeerMark {
  readonly user: string
  readonly delivered: number
  readonly read: number
}

/** Who has a device connected: `broker` says where, `claim` which connection. */
interface DeviceClaim {
  readonly user: string
  readonly device: string
  readonly claim: string
}

/** To the brokers that have a member of a conversation connected: `changed` (its title, or how
 * many its members are), `receipts`, `typing`. To those that have the user connected:
 * `membership` (begun, ended, muted), `settings`, `read` (by a device of the user's own). To one
 * broker: `takeOver` (a device of its is elsewhere now), `released` (its connection there has
 * ended, and its cursors are stored). To all: `missed` (some of what was emitted may be lost). */
export type Notice =
  | { readonly type: 'changed'; readonly conversation: string }
  | {
      readonly type: 'receipts'
      readonly conversation: string
      readonly marks: readonly PeerMark[]
    }
  | {
      readonly type: 'typing'
      readonly conversation: string
      readonly user: string
      readonly typing: boolean
      readonly at: number
    }
  | { readonly type: 'membership'; readonly user: string; readonly conversation: string }
  | { readonly type: 'settings'; readonly user: string }
  | {
      readonly type: 'read'
      readonly user: string
      readonly conversation: string
      /** Tells the membership from one before it. */
      readonly joinedSeq: number
      readonly read: number
    }
  | ({ readonly type: 'takeOver'; readonly by: string } & DeviceClaim)
  | { readonly type: 'released'; readonly claim: string }
  | { readonly type: 'missed' }

export type NoticeOf<Type extends Notice['type']> = Extract<Notice, { readonly type: Type }>

const entryLines = 6

/** Entries of one conversation as lines, six for each: none of what an entry holds has a line break
 * in it. Half the time of JSON, which would escape the fields' quotes. */
export function encodeEntries(entries: readonly Entry[]): string {
  let text = 'e'
  for (const { seq, at, from, body } of entries) {
    text += `\n${seq}\n${at}\n${from}\n${body.kind}\n${body.messageId ?? ''}\n${body.fields}`
  }
  return text
}

export function encodeNotice(notice: Notice): string {
  return JSON.stringify(notice)
}

/** The entries of a text; undefined when it holds none that can be read. */
export function decodeEntries(conversation: string, text: string): readonly Entry[] | undefined {
  if (!text.startsWith('e\n')) return undefined
  const lines = text.split('\n')
  if (lines.length % entryLines !== 1) return undefined
  const entries: Entry[] = []
  for (let at = 1; at < lines.length; at += entryLines) {
    const [seq, time, from = '', kind = '', id = '', fields = ''] = lines.slice(at, at + entryLines)
    const body = { kind, messageId: id === '' ? undefined : id, fields }
    entries.push({ conversation, from, body, seq: Number(seq), at: Number(time) })
  }
  return entries.every(({ seq, at }) => seq > 0 && at >= 0) ? entries : undefined
}

/** The notice of a text; undefined when it is none. One of a newer version may be of an unknown
 * type. */
export function decodeNotice(text: string): Notice | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const notice = JSON.parse(text) as Notice
    return typeof notice.type === 'string' ? notice : undefined
  } catch {
    return undefined
  }
}
