// What a message is recognised by when it comes again: a hash of its topic and payload.

/** The golden ratio times 2^32, odd: spreads each bit over those above it. */
const multiplier = 0x9e3779b1

/** 32 bits with a sign: a small integer costs no allocation. Reads four bytes at a time: 0.3 µs for
 * 100 bytes, 1.0 µs byte by byte (2026-11, both cores busy). Not against intent: who makes two
 * messages of one fingerprint harms only themselves. */
export function fingerprintOf(topic: string, payload: Uint8Array): number {
  let hash = payload.length
  for (let at = 0; at < topic.length; at++) hash = mix(hash, topic.charCodeAt(at))
  const wordsEnd = payload.length & ~3
  for (let at = 0; at < wordsEnd; at += 4) {
    const low = (payload[at] as number) | ((payload[at + 1] as number) << 8)
    const high = ((payload[at + 2] as number) << 16) | ((payload[at + 3] as number) << 24)
    hash = mix(hash, low | high)
  }
  for (let at = wordsEnd; at < payload.length; at++) hash = mix(hash, payload[at] as number)
  return hash
}

function mix(hash: number, value: number): number {
  const product = Math.imul(hash ^ value, multiplier)
  // The upper bits take part in the next round as lower ones.
  return product ^ (product >>> 15)
}
