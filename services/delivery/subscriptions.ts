// What a session's topic filters cover. Pure: filters in, answers out.

import type { Conversation } from '../../protocol/entry.ts'
import { isPlainFilter } from '../../protocol/filters.ts'
import type { ChatFilter, Leaf } from '../../protocol/topics.ts'
import { parseChatFilter } from '../../protocol/topics.ts'
import type { Subscription } from './ports.ts'

/** Most filters one session may hold: with `u/<me>/#` and `g/+/#` two are enough. */
export const subscriptionsMax = 256

/** The filters of one session by their text. A later one replaces an equal one [MQTT-3.8.4-3]. */
export interface Subscriptions {
  set(subscription: Subscription): void
  delete(filter: string): void
  has(filter: string): boolean
  /** Grows with each change. */
  version(): number
  size(): number
  list(): readonly Subscription[]
  /** Those of plain topics. */
  plain(): readonly Subscription[]
  /** The QoS at which the session wants the messages of a conversation, the highest of all filters
   * that match [MQTT-3.3.5-1]; undefined when none does. */
  messageQos(conversation: Conversation): Qos | undefined
  /** Whether the session listens to that leaf below its user's `u/<me>/`. */
  hasUserLeaf(leaf: Leaf): boolean
  /** Whether the session listens to that leaf of a conversation: below `g/<group>/`, or for a
   * direct one below `u/<me>/`. */
  hasLeaf(conversation: Conversation, leaf: Leaf): boolean
  /** Whether it listens to that leaf of any conversation. */
  hasAnyLeaf(leaf: Leaf): boolean
}

/** Of chat messages. */
type Qos = 0 | 1

/** The filters, read once: asked for each of a user's conversations, they must answer quickly. */
interface Coverage {
  readonly userLeaves: Map<string, Qos>
  /** QoS of messages by group; `+` for all groups. */
  readonly groups: Map<string, Qos>
  /** Groups by leaf, `+` and `#` among them. */
  readonly groupLeaves: Map<string, Set<string>>
}

/** Makes the subscriptions of a session of `user`. Filters of other users match nothing. */
export function makeSubscriptions(user: string, initial: readonly Subscription[]): Subscriptions {
  const held = new Map(initial.map((subscription) => [subscription.filter, subscription]))
  let coverage: Coverage | undefined
  let version = 0

  const changed = () => {
    coverage = undefined
    version++
  }

  const covered = (): Coverage => {
    coverage ??= cover(user, held.values())
    return coverage
  }

  const hasUserLeaf = (leaf: Leaf): boolean => {
    const { userLeaves } = covered()
    return userLeaves.has(leaf) || userLeaves.has('#')
  }

  return {
    set(subscription) {
      if (held.get(subscription.filter)?.qos === subscription.qos) return
      held.set(subscription.filter, subscription)
      changed()
    },
    delete(filter) {
      if (held.delete(filter)) changed()
    },
    has: (filter) => held.has(filter),
    version: () => version,
    size: () => held.size,
    list: () => [...held.values()],
    plain: () => [...held.values()].filter(({ filter }) => isPlainFilter(filter)),
    messageQos(conversation) {
      const { userLeaves, groups } = covered()
      return conversation.kind === 'direct'
        ? higher(userLeaves.get('msg'), userLeaves.get('#'))
        : higher(groups.get('+'), groups.get(conversation.group))
    },
    hasUserLeaf,
    hasAnyLeaf(leaf) {
      const { groupLeaves } = covered()
      return hasUserLeaf(leaf) || groupLeaves.has(leaf) || groupLeaves.has('#')
    },
    hasLeaf(conversation, leaf) {
      if (conversation.kind === 'direct') return hasUserLeaf(leaf)
      const { groupLeaves } = covered()
      return [groupLeaves.get(leaf), groupLeaves.get('#')].some(
        (groups) => groups?.has('+') || groups?.has(conversation.group),
      )
    },
  }
}

function cover(user: string, subscriptions: Iterable<Subscription>): Coverage {
  const coverage: Coverage = {
    userLeaves: new Map(),
    groups: new Map(),
    groupLeaves: new Map(),
  }
  for (const { filter: text, qos } of subscriptions) {
    const filter = parseChatFilter(text)
    if (filter !== undefined) add(coverage, user, { filter, qos: qos === 0 ? 0 : 1 })
  }
  return coverage
}

function add(
  { userLeaves, groups, groupLeaves }: Coverage,
  user: string,
  { filter, qos }: { readonly filter: ChatFilter; readonly qos: Qos },
): void {
  if (filter.kind === 'user') {
    if (filter.user === user) raise(userLeaves, filter.leaf, qos)
    return
  }
  const { group, leaf } = filter
  groupLeaves.set(leaf, (groupLeaves.get(leaf) ?? new Set()).add(group))
  if (leaf === '#' || leaf === 'msg') raise(groups, group, qos)
}

function raise(levels: Map<string, Qos>, key: string, qos: Qos): void {
  if (qos >= (levels.get(key) ?? 0)) levels.set(key, qos)
}

function higher(a: Qos | undefined, b: Qos | undefined): Qos | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a > b ? a : b
}
