// Which of several Redis carries a channel: rendezvous hashing, so that all brokers agree whatever
// the order of their lists, and one server more moves only its share.

/** Makes the choice among servers of these names. */
export function makeShardOf(names: readonly string[]): (channel: string) => number {
  if (names.length === 1) return () => 0
  const seeds = names.map((name) => hash(name, fnvOffset))
  return (channel) => {
    let best = 0
    let bestWeight = -1
    for (const [index, seed] of seeds.entries()) {
      const weight = mix(hash(channel, seed))
      if (weight > bestWeight) {
        best = index
        bestWeight = weight
      }
    }
    return best
  }
}

const fnvOffset = 0x811c9dc5

/** FNV-1a. */
function hash(text: string, seed: number): number {
  let value = seed
  for (let at = 0; at < text.length; at++) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  }
  return value
}

/** The finalizer of MurmurHash3: FNV-1a alone leaves texts of different seeds alike. */
function mix(hashed: number): number {
  let value = hashed
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}
