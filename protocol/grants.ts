// Which plain topics a token opens: the claim `topics`.

import { isPlainFilter } from './filters.ts'
import { grantBytesMax, grantedFiltersMax } from './limits.ts'

/** Filters of plain topics that somebody may publish to and subscribe to. */
export interface TopicGrants {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/** What a token without the claim opens. */
export const noGrants: TopicGrants = Object.freeze({ publish: [], subscribe: [] })

/** Reads the claim: an object of two lists, each optional, of at most `grantedFiltersMax` filters
 * below `t/`. Returns undefined when it is anything else. */
export function readTopicGrants(claim: unknown): TopicGrants | undefined {
  if (claim === undefined) return noGrants
  if (typeof claim !== 'object' || claim === null || Array.isArray(claim)) return undefined
  const { publish = [], subscribe = [], ...others } = claim as Record<string, unknown>
  if (Object.keys(others).length > 0) return undefined
  return isFilterList(publish) && isFilterList(subscribe) ? { publish, subscribe } : undefined
}

function isFilterList(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length <= grantedFiltersMax &&
    value.every(
      (item) =>
        typeof item === 'string' && Buffer.byteLength(item) <= grantBytesMax && isPlainFilter(item),
    )
  )
}
