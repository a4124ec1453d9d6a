// May a client use this plain topic? By its token, or because the configuration opens the topic to
// every user. Pure: answered from the grants alone.

import { covers } from '../../protocol/filters.ts'
import type { TopicGrants } from '../../protocol/grants.ts'

export interface PlainAccess {
  mayPublish(grants: TopicGrants, topic: string): boolean
  /** For a filter: whether one grant covers it entirely. For a topic: whether messages of it may be
   * heard. */
  maySubscribe(grants: TopicGrants, filter: string): boolean
}

/** `openTopics`: filters below `t/` that every user may publish and subscribe to. */
export function makePlainAccess(openTopics: readonly string[]): PlainAccess {
  const isGranted = (granted: readonly string[], filter: string): boolean =>
    openTopics.some((open) => covers(open, filter)) || granted.some((it) => covers(it, filter))
  return {
    mayPublish: ({ publish }, topic) => isGranted(publish, topic),
    maySubscribe: ({ subscribe }, filter) => isGranted(subscribe, filter),
  }
}
