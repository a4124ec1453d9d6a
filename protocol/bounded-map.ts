// A map that remembers what was used lately, within a bound. Two generations: when the young one
// is full it becomes the old one, and what was in the old one and not used since is forgotten.

/** A cache: `get` may return undefined for anything at any time. */
export interface BoundedMap<Key, Value> {
  get(key: Key): Value | undefined
  set(key: Key, value: Value): void
}

/** Makes a map of at most `entriesMax` entries, 2 or more; at least the `entriesMax / 2` used last
 * are kept. */
export function makeBoundedMap<Key, Value>(entriesMax: number): BoundedMap<Key, Value> {
  const generationMax = Math.floor(entriesMax / 2)
  let young = new Map<Key, Value>()
  let old = new Map<Key, Value>()
  const set = (key: Key, value: Value): void => {
    if (young.size >= generationMax && !young.has(key)) {
      old = young
      young = new Map()
    }
    young.set(key, value)
  }
  return {
    get(key) {
      const recent = young.get(key)
      if (recent !== undefined) return recent
      const value = old.get(key)
      if (value !== undefined) set(key, value)
      return value
    },
    set,
  }
}
