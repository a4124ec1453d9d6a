// A queue on its way to a device that has come back. What is published meanwhile is not sent on its
// own, but as a part of the queue: so that it keeps its place, and comes once, although other
// brokers tell of a message some time after it was put into the queue.

/** How many of the messages that were sent last are remembered. */
const rememberedMax = 1000

export class Drain {
  /** Handed out, and not sent yet. */
  readonly #underWay = new Set<string>()
  /** Those that were handed out last, so that news of them is not sent again. */
  readonly #handed = new Set<string>()
  #isOpen = true
  #hasMissed = false
  #wake: () => void = () => {}

  /** Whether the queue is still being sent. */
  isOpen(): boolean {
    return this.#isOpen
  }

  /** The queue is looked at from now on. */
  look(): void {
    this.#hasMissed = false
  }

  /** Whether something was left to the queue since `look`, which may have been too late for it. */
  hasMissed(): boolean {
    return this.#hasMissed
  }

  /** Whether a message is left to the queue that was to be sent on its own. */
  defers(member: string): boolean {
    if (this.#isOpen) this.#hasMissed = true
    return this.#isOpen || this.#handed.has(member)
  }

  hasSent(member: string): boolean {
    return this.#handed.has(member)
  }

  /** A packet is handed out, unless others send it. */
  hand(member: string): boolean {
    if (this.#handed.has(member)) return false
    this.#underWay.add(member)
    this.ignore(member)
    return true
  }

  /** A packet is sent by others. */
  ignore(member: string): void {
    this.#handed.add(member)
    if (this.#handed.size <= rememberedMax) return
    const [oldest = ''] = this.#handed
    this.#handed.delete(oldest)
  }

  /** A packet was sent, or has gone. */
  sent(member: string): void {
    if (this.#underWay.delete(member)) this.#wake()
  }

  /** Whether all that was handed out was sent. */
  isOver(): boolean {
    return this.#underWay.size === 0
  }

  /** Resolves when another packet was sent. */
  progress(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  close(): void {
    this.#isOpen = false
    this.#underWay.clear()
  }
}
