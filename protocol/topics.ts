// The grammar of topics and filters: from text to meaning. Pure; it knows no users and no members,
// so it says what a topic asks for, never whether it is allowed.

import { isShallow } from './filters.ts'
import { isId } from './ids.ts'
import { topicLevelsMax } from './limits.ts'

/** What a topic below `u/<user>` or `g/<group>` carries. */
export type Leaf = 'msg' | 'receipt' | 'typing' | 'event' | 'error'

const userLeaves: ReadonlySet<string> = new Set(['msg', 'receipt', 'typing', 'event', 'error'])
const groupLeaves: ReadonlySet<string> = new Set(['msg', 'receipt', 'typing'])

/** What an app can publish to a conversation: a message, how far its user has read, that its user
 * is typing. */
type PublishLeaf = 'msg' | 'read' | 'typing'

const publishLeaves: ReadonlySet<string> = new Set(['msg', 'read', 'typing'])

/** Where a PUBLISH is addressed. `sync`: a device says how far it is. `plain`: a topic below `t/`,
 * which is not chat. `malformed` breaks MQTT or the bound on levels and ends the connection;
 * `other` is a well-formed topic apps cannot publish to. */
export type PublishTopic =
  | { readonly kind: 'direct'; readonly peer: string; readonly leaf: PublishLeaf }
  | { readonly kind: 'group'; readonly group: string; readonly leaf: PublishLeaf }
  | { readonly kind: 'sync'; readonly user: string }
  | { readonly kind: 'plain' }
  | { readonly kind: 'other' }
  | { readonly kind: 'malformed'; readonly reason: string }

/** A topic of a conversation. */
export type ConversationTopic = Extract<PublishTopic, { readonly leaf: PublishLeaf }>

const other: PublishTopic = { kind: 'other' }
const plain: PublishTopic = { kind: 'plain' }

/** Reads the topic name of a PUBLISH. A topic with a wildcard, a `$` at its start, a NUL, of zero
 * length or of more than `topicLevelsMax` levels is malformed [MQTT-3.3.2-2, MQTT-4.7.3-1,
 * MQTT-4.7.3-2]. */
export function parsePublishTopic(topic: string): PublishTopic {
  const reason = topic.startsWith('$') ? 'a topic that begins with $' : publishTopicFault(topic)
  if (reason !== undefined) return { kind: 'malformed', reason }
  if (topic.startsWith('t/')) return plain
  const levels = topic.split('/')
  const [root, name, leaf] = levels
  if (levels.length !== 3 || name === undefined || leaf === undefined || !isId(name)) return other
  if (root === 'u' && leaf === 'sync') return { kind: 'sync', user: name }
  if (!isPublishLeaf(leaf)) return other
  if (root === 'u') return { kind: 'direct', peer: name, leaf }
  if (root === 'g') return { kind: 'group', group: name, leaf }
  return other
}

function isPublishLeaf(leaf: string): leaf is PublishLeaf {
  return publishLeaves.has(leaf)
}

/** What keeps a text from being the topic name of any PUBLISH; undefined when nothing does. */
export function publishTopicFault(topic: string): string | undefined {
  if (topic.length === 0) return 'an empty topic'
  if (!isShallow(topic)) return `a topic of more than ${topicLevelsMax} levels`
  if (topic.includes('+') || topic.includes('#')) return 'a wildcard in the topic of a PUBLISH'
  if (topic.includes('\0')) return 'a NUL in the topic'
  return undefined
}

/** What a subscription asks for. `leaf` `#` is all leaves, `group` `+` all groups of the user. */
export type ChatFilter =
  | { readonly kind: 'user'; readonly user: string; readonly leaf: Leaf | '#' }
  | { readonly kind: 'group'; readonly group: string; readonly leaf: Leaf | '#' }

/** Reads a topic filter. Returns undefined for a filter that names nothing an app can subscribe
 * to; the answer to it is SUBACK 0x80. */
export function parseChatFilter(filter: string): ChatFilter | undefined {
  const levels = filter.split('/')
  const [root, name, leaf] = levels
  if (levels.length !== 3 || name === undefined || leaf === undefined) return undefined
  if (root === 'u' && isId(name) && (leaf === '#' || userLeaves.has(leaf))) {
    return { kind: 'user', user: name, leaf: leaf as Leaf | '#' }
  }
  if (root === 'g' && (name === '+' || isId(name)) && (leaf === '#' || groupLeaves.has(leaf))) {
    return { kind: 'group', group: name, leaf: leaf as Leaf | '#' }
  }
  return undefined
}

/** The topic under which a user's own devices hear of something. */
export function userTopic(user: string, leaf: Leaf): string {
  return `u/${user}/${leaf}`
}

/** The topic under which a group's members hear of something. */
export function groupTopic(group: string, leaf: Leaf): string {
  return `g/${group}/${leaf}`
}
