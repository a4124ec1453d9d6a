// What a message is recognised by when it comes again: a hash of its topic and payload.

const offsetBasis = 0x811c9dc5
const prime = 0x01000193

/** FNV-1a, 32 bits with a sign: a small integer costs no allocation. Not for secrets: who makes two
 * messages with one fingerprint harms only themselves. */
export function fingerprintOf(topic: string, payload: Uint8Array): number {
  let hash = offsetBasis
  for (let index = 0; index < topic.length; index++) {
    hash = Math.imul(hash ^ topic.charCodeAt(index), prime)
  }
  // Topics hold no NUL, so topic and payload cannot be taken for another pair.
  hash = Math.imul(hash, prime)
  for (let index = 0; index < payload.length; index++) {
    hash = Math.imul(hash ^ (payload[index] as number), prime)
  }
  return hash
}
