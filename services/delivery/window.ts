// The window of one session: which packet ids are unacknowledged, and which entry each one carries.
// A ring that grows on use, because most sessions are idle. Knows nothing of what it holds.

/** Packet ids of chat deliveries are 1 … packetIdMax; those above are left to aedes, so that the
 * two never meet on one connection. A multiple of every window size. */
export const packetIdMax = 32_768

/** Unacknowledged deliveries in the order they were sent. MQTT obliges a receiver to acknowledge in
 * that order [MQTT-4.6.0-2]; acknowledgements that come out of order are kept until their turn. */
export interface Window<Holder> {
  /** Room for that many further deliveries. */
  free(): number
  /** Takes the next packet id for an entry. Call only when `free() > 0`. */
  take(holder: Holder, seq: number): number
  /** Notes an acknowledgement and releases, oldest first, all that are acknowledged without a gap.
   * False when the id is not in the window: it is not ours, or was acknowledged before. */
  acknowledge(packetId: number): boolean
  /** How many are unacknowledged. */
  size(): number
}

/** Makes a window of `entriesMax` (a power of two) that calls `released` for each delivery that is
 * acknowledged together with all that were sent before it. */
export function makeWindow<Holder>(
  entriesMax: number,
  released: (holder: Holder, seq: number) => void,
): Window<Holder> {
  const mask = entriesMax - 1
  const holders: (Holder | undefined)[] = []
  const seqs: number[] = []
  // Counters that only grow: `tail` the oldest unreleased delivery, `head` the next one. The packet
  // id of delivery n is n modulo packetIdMax, plus one; its slot is n modulo the window.
  let tail = 0
  let head = 0

  const release = () => {
    for (; tail < head; tail++) {
      const slot = tail & mask
      const seq = seqs[slot] as number
      if (seq > 0) return
      const holder = holders[slot] as Holder
      holders[slot] = undefined
      released(holder, -seq)
    }
  }

  return {
    free: () => entriesMax - (head - tail),
    size: () => head - tail,
    take(holder, seq) {
      const slot = head & mask
      holders[slot] = holder
      seqs[slot] = seq
      return (head++ % packetIdMax) + 1
    },
    acknowledge(packetId) {
      const number = tail + ((packetId - 1 - (tail % packetIdMax) + packetIdMax) % packetIdMax)
      if (packetId > packetIdMax || number >= head) return false
      const slot = number & mask
      const seq = seqs[slot] as number
      if (seq < 0) return false
      // A negative seq marks the delivery as acknowledged.
      seqs[slot] = -seq
      if (number === tail) release()
      return true
    },
  }
}
