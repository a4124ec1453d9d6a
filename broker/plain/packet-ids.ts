// The packet ids of messages to one client.

const idMax = 65_535

/** Hands out ids from the first one to 65535 and round again, and none whose message is not
 * answered yet [MQTT-2.3.1-2, MQTT-2.3.1-4]. */
export class PacketIds {
  readonly #first: number
  readonly #inUse = new Set<number>()
  #next: number

  constructor(first: number) {
    this.#first = first
    this.#next = first
  }

  /** Goes on after another connection of the client, with what is still unanswered. */
  goOn(next: number, unanswered: Iterable<number>): void {
    this.#next = next
    for (const id of unanswered) this.#inUse.add(id)
    this.#seek()
  }

  /** The id that `take` gives next. */
  next(): number {
    return this.#next
  }

  take(): number {
    const id = this.#next
    this.#inUse.add(id)
    this.#seek()
    return id
  }

  /** The message was answered, or was not sent. */
  release(id: number): void {
    const wasFull = this.isFull()
    if (this.#inUse.delete(id) && wasFull) this.#next = id
  }

  /** Whether all are in use: the next one is no longer free. */
  isFull(): boolean {
    return this.#inUse.size > idMax - this.#first
  }

  #seek(): void {
    if (this.isFull()) return
    while (this.#inUse.has(this.#next))
      this.#next = this.#next < idMax ? this.#next + 1 : this.#first
  }
}
