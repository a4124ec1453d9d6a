// The window of one session: which packet ids are unacknowledged, and which entry each one carries.
// A ring that grows on use, because most sessions are idle. Knows nothing of what it holds.

import type { Quota } from './quota.ts'

/** Packet ids of chat deliveries are 1 … packetIdMax; those above are left to aedes, so that the
 * two never meet on one connection. A multiple of every window size. */
export const packetIdMax = 32_768

/** Unacknowledged deliveries in the order they were sent. MQTT obliges a receiver to acknowledge in
 * that order [MQTT-4.6.0-2]; acknowledgements that come out of order are kept until their turn. */
export class Window<Holder> {
  readonly #entriesMax: number
  readonly #released: (holder: Holder, seq: number) => void
  readonly #quota: Quota | undefined
  readonly #holders: (Holder | undefined)[] = []
  readonly #seqs: number[] = []
  // Counters that only grow: `tail` the oldest unreleased delivery, `head` the next one. The packet
  // id of delivery n is n modulo packetIdMax, plus one; its slot is n modulo the window.
  #tail = 0
  #head = 0

  /** A window of `entriesMax` (a power of two) that calls `released` for each delivery that is
   * acknowledged together with all that were sent before it. A quota is what the client takes at a
   * time, in all; without one it takes everything. */
  constructor(
    entriesMax: number,
    released: (holder: Holder, seq: number) => void,
    quota?: Quota | undefined,
  ) {
    this.#entriesMax = entriesMax
    this.#released = released
    this.#quota = quota
  }

  /** Room for that many further deliveries. */
  free(): number {
    const free = this.#entriesMax - (this.#head - this.#tail)
    return this.#quota === undefined ? free : Math.min(free, this.#quota.free('chat'))
  }

  /** Whether more than half of it is in use, or of what the client takes at a time. */
  isHalfFull(): boolean {
    const max = Math.min(this.#entriesMax, this.#quota?.max ?? this.#entriesMax)
    return (this.#head - this.#tail) * 2 > max
  }

  /** Whether everything is acknowledged. */
  isEmpty(): boolean {
    return this.#head === this.#tail
  }

  /** Takes the next packet id for an entry. Call only when `free() > 0`. */
  take(holder: Holder, seq: number): number {
    this.#quota?.take('chat')
    const slot = this.#head & (this.#entriesMax - 1)
    this.#holders[slot] = holder
    this.#seqs[slot] = seq
    return (this.#head++ % packetIdMax) + 1
  }

  /** Notes an acknowledgement and releases, oldest first, all that are acknowledged without a gap.
   * False when the id is not in the window: it is not ours, or was acknowledged before. */
  acknowledge(packetId: number): boolean {
    if (packetId > packetIdMax) return false
    const tail = this.#tail
    const number = tail + ((packetId - 1 - (tail % packetIdMax) + packetIdMax) % packetIdMax)
    if (number >= this.#head) return false
    const slot = number & (this.#entriesMax - 1)
    const seq = this.#seqs[slot] as number
    if (seq < 0) return false
    // A negative seq marks the delivery as acknowledged.
    this.#seqs[slot] = -seq
    this.#quota?.giveBack('chat')
    if (number === tail) this.#release()
    return true
  }

  #release(): void {
    for (; this.#tail < this.#head; this.#tail++) {
      const slot = this.#tail & (this.#entriesMax - 1)
      const seq = this.#seqs[slot] as number
      if (seq > 0) return
      const holder = this.#holders[slot] as Holder
      this.#holders[slot] = undefined
      this.#released(holder, -seq)
    }
  }
}
