// How many messages may be on their way to one client unacknowledged, of chat and of plain topics
// together: its Receive Maximum.

/** Who sends to the client. */
export type QuotaLane = 'chat' | 'plain'

/** Counts QoS 1 and 2 messages between their PUBLISH and the end of their exchange, over both lanes
 * of one connection [MQTT5-3.3.4-9]. What one lane gives back is offered to the other one first, so
 * that none of them starves. Chat must read the log before it can take it: a place is kept for it
 * meanwhile. */
export class Quota {
  /** The Receive Maximum, 1 to 65,535. */
  readonly max: number
  #free: number
  #isKept = false
  readonly #listeners: { [Lane in QuotaLane]?: () => void } = {}

  constructor(max: number) {
    this.max = max
    this.#free = max
  }

  /** So many more may be sent now. */
  free(lane: QuotaLane): number {
    return this.#isKept && lane === 'plain' ? this.#free - 1 : this.#free
  }

  /** Call before a message is sent, only when `free` is above 0. */
  take(lane: QuotaLane): void {
    this.#free--
    if (lane === 'chat') this.#isKept = false
  }

  /** The exchange of a message of this lane has ended. */
  giveBack(lane: QuotaLane): void {
    this.#free++
    this.#listeners[lane === 'chat' ? 'plain' : 'chat']?.()
  }

  /** The lane is told each time the other one has given something back. */
  onFree(lane: QuotaLane, listener: () => void): void {
    this.#listeners[lane] = listener
  }

  /** Chat will take a place soon, or say that it is done. Call only when one is free. */
  keepForChat(): void {
    this.#isKept = true
  }

  /** Chat has nothing more to send for now. */
  chatIsDone(): void {
    if (!this.#isKept) return
    this.#isKept = false
    this.#listeners.plain?.()
  }
}
