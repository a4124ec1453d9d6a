// What a session's topic filters cover. Pure: filters in, answers out.

import type { Conversation } from '../../protocol/entry.ts'
import { covers, filterBytes, isPlainFilter } from '../../protocol/filters.ts'
import { filtersBytesMax } from '../../protocol/limits.ts'
import type { ChatFilter, Leaf } from '../../protocol/topics.ts'
import { parseChatFilter } from '../../protocol/topics.ts'
import type { Subscription } from './ports.ts'

/** Most filters one session may hold: with `u/<me>/#` and `g/+/#` two are enough. */
export const subscriptionsMax = 256

/** Of chat messages. */
type Qos = 0 | 1

/** What group filters cover. */
interface GroupCoverage {
  /** QoS of messages by group; `+` for all groups. */
  readonly messages: Map<string, Qos>
  /** Groups by leaf, `+` and `#` among them. */
  readonly leaves: Map<string, Set<string>>
}

/** What the filters cover, read once: asked for each of a user's conversations, they must answer
 * quickly. */
interface Coverage {
  /** Bits of the leaves below `u/<me>/`. */
  userLeaves: number
  userMessages: Qos | undefined
  /** Absent while no filter is of a group: most of the memory of an idle session would be this. */
  groups: GroupCoverage | undefined
}

const leafBit: Readonly<Record<Leaf, number>> = {
  msg: 1,
  receipt: 2,
  typing: 4,
  event: 8,
  error: 16,
}
const allLeaves = 31

const none: readonly number[] = Object.freeze([])

/** Most topics whose identifiers are remembered. */
const topicsMax = 64

/** The filters of one session of a user. A later one replaces an equal one [MQTT-3.8.4-3]. Filters
 * of other users match nothing. A class, because there is one for each session. */
export class Subscriptions {
  readonly #user: string
  #held: readonly Subscription[]
  #coverage: Coverage | undefined
  /** Identifiers by topic; absent while no subscription has one. */
  #identifiers: Map<string, readonly number[]> | undefined
  #version = 0
  /** What the filters count for, once that was asked. */
  #bytes: number | undefined

  constructor(user: string, initial: readonly Subscription[]) {
    this.#user = user
    this.#held = initial
    this.#identifiers = forIdentifiers(initial)
  }

  set(subscription: Subscription): void {
    const at = this.#held.findIndex(({ filter }) => filter === subscription.filter)
    if (isEqual(this.#held[at], subscription)) return
    this.#replace(at < 0 ? [...this.#held, subscription] : this.#held.with(at, subscription))
    if (at < 0 && this.#bytes !== undefined) this.#bytes += filterBytes(subscription.filter)
  }

  delete(filter: string): void {
    const others = this.#held.filter((held) => held.filter !== filter)
    if (others.length === this.#held.length) return
    this.#replace(others)
    if (this.#bytes !== undefined) this.#bytes -= filterBytes(filter)
  }

  has(filter: string): boolean {
    return this.#held.some((held) => held.filter === filter)
  }

  /** Grows with each change. */
  version(): number {
    return this.#version
  }

  /** Whether there is room for the filter, or it is held already. */
  mayAdd(filter: string): boolean {
    if (this.has(filter)) return true
    if (this.#held.length >= subscriptionsMax) return false
    this.#bytes ??= this.#held.reduce((bytes, held) => bytes + filterBytes(held.filter), 0)
    return this.#bytes + filterBytes(filter) <= filtersBytesMax
  }

  list(): readonly Subscription[] {
    return this.#held
  }

  /** Those of plain topics. */
  plain(): readonly Subscription[] {
    return this.#held.filter(({ filter }) => isPlainFilter(filter))
  }

  /** The QoS at which the session wants the messages of a conversation, the highest of all filters
   * that match [MQTT-3.3.5-1]; undefined when none does. */
  messageQos(conversation: Conversation): Qos | undefined {
    const { userMessages, groups } = this.#covered()
    if (conversation.kind === 'direct') return userMessages
    return higher(groups?.messages.get('+'), groups?.messages.get(conversation.group))
  }

  /** Whether the session listens to that leaf below its user's `u/<me>/`. */
  hasUserLeaf(leaf: Leaf): boolean {
    return (this.#covered().userLeaves & leafBit[leaf]) !== 0
  }

  /** Whether the session listens to that leaf of a conversation: below `g/<group>/`, or for a
   * direct one below `u/<me>/`. */
  hasLeaf(conversation: Conversation, leaf: Leaf): boolean {
    if (conversation.kind === 'direct') return this.hasUserLeaf(leaf)
    const { leaves } = this.#covered().groups ?? {}
    return [leaves?.get(leaf), leaves?.get('#')].some(
      (groups) => groups?.has('+') || groups?.has(conversation.group),
    )
  }

  /** Whether it listens to that leaf of any conversation. */
  hasAnyLeaf(leaf: Leaf): boolean {
    const { leaves } = this.#covered().groups ?? {}
    return this.hasUserLeaf(leaf) || leaves?.has(leaf) === true || leaves?.has('#') === true
  }

  /** The identifiers of all subscriptions that match a topic: they go with what is delivered to it
   * [MQTT5-3.3.4-3, MQTT5-3.3.4-4]. */
  identifiersOf(topic: string): readonly number[] {
    const known = this.#identifiers
    if (known === undefined) return none
    const found = known.get(topic)
    if (found !== undefined) return found
    const identifiers = this.#held.flatMap(({ filter, identifier }) =>
      identifier !== undefined && covers(filter, topic) ? [identifier] : [],
    )
    if (known.size >= topicsMax) known.clear()
    known.set(topic, identifiers)
    return identifiers
  }

  /** Whether what the device itself publishes under a topic is kept from it: every filter that
   * matches says No Local [MQTT5-3.8.3-3]. */
  hidesOwn(topic: string): boolean {
    if (!this.#held.some(({ noLocal }) => noLocal)) return false
    return this.#held.every(({ filter, noLocal }) => noLocal || !covers(filter, topic))
  }

  #replace(held: readonly Subscription[]): void {
    this.#held = held
    this.#identifiers = forIdentifiers(held)
    this.#coverage = undefined
    this.#version++
  }

  #covered(): Coverage {
    this.#coverage ??= cover(this.#user, this.#held)
    return this.#coverage
  }
}

function isEqual(held: Subscription | undefined, other: Subscription): boolean {
  return (
    held?.qos === other.qos &&
    held.noLocal === other.noLocal &&
    held.retainAsPublished === other.retainAsPublished &&
    held.identifier === other.identifier
  )
}

function forIdentifiers(held: readonly Subscription[]) {
  const hasAny = held.some(({ identifier }) => identifier !== undefined)
  return hasAny ? new Map<string, readonly number[]>() : undefined
}

function cover(user: string, subscriptions: readonly Subscription[]): Coverage {
  const coverage: Coverage = { userLeaves: 0, userMessages: undefined, groups: undefined }
  for (const { filter: text, qos } of subscriptions) {
    const filter = parseChatFilter(text)
    if (filter === undefined) continue
    const granted = qos === 0 ? 0 : 1
    if (filter.kind === 'group') coverGroup(coverage, filter, granted)
    else if (filter.user === user) coverUser(coverage, filter.leaf, granted)
  }
  return coverage
}

function coverUser(coverage: Coverage, leaf: Leaf | '#', qos: Qos): void {
  coverage.userLeaves |= leaf === '#' ? allLeaves : leafBit[leaf]
  if (leaf === '#' || leaf === 'msg') coverage.userMessages = higher(coverage.userMessages, qos)
}

function coverGroup(
  coverage: Coverage,
  { group, leaf }: Extract<ChatFilter, { kind: 'group' }>,
  qos: Qos,
): void {
  coverage.groups ??= { messages: new Map(), leaves: new Map() }
  const { messages, leaves } = coverage.groups
  leaves.set(leaf, (leaves.get(leaf) ?? new Set()).add(group))
  if (leaf === '#' || leaf === 'msg') messages.set(group, higher(messages.get(group), qos) ?? qos)
}

function higher(a: Qos | undefined, b: Qos | undefined): Qos | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a > b ? a : b
}
