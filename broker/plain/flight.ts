// The messages of plain topics that are on their way to a client of level 5 at QoS 1 and 2: no more
// at once than its Receive Maximum leaves room for. What comes meanwhile waits here.

import type { Quota } from '../../services/delivery/quota.ts'
import { age } from './note.ts'

interface FlightParts {
  readonly quota: Quota
  readonly now: () => number
  write(packet: Buffer): void
  /** The message is over: nobody waits for its answer. */
  discard(packetId: number): void
}

interface Waiting {
  readonly packet: Buffer
  readonly packetId: number
  readonly since: number
}

export class Flight {
  readonly #parts: FlightParts
  readonly #sent = new Set<number>()
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #wake: (() => void)[] = []
  #isClosed = false

  constructor(parts: FlightParts) {
    this.#parts = parts
    parts.quota.onFree('plain', () => this.#proceed())
  }

  /** Bytes of the messages that wait; who gives them watches that there are not too many. */
  waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Sends a PUBLISH, in turn [MQTT5-3.3.4-9]. */
  send(packet: Buffer, packetId: number): void {
    this.#waiting.push({ packet, packetId, since: this.#parts.now() })
    this.#waitingBytes += packet.length
    this.#proceed()
  }

  /** The exchange of a message has ended. */
  answered(packetId: number): void {
    if (!this.#sent.delete(packetId)) return
    this.#parts.quota.giveBack('plain')
    this.#proceed()
  }

  /** Resolves when nothing waits and there is room for a message, or nothing is sent any more. */
  async room(): Promise<void> {
    while (!this.#isClosed && !this.#hasRoom()) {
      await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
  }

  /** The client has gone. */
  close(): void {
    this.#isClosed = true
    this.#waiting = []
    for (const wake of this.#wake.splice(0)) wake()
  }

  #hasRoom(): boolean {
    return this.#waiting.length === 0 && this.#parts.quota.free('plain') > 0
  }

  #proceed(): void {
    const { quota } = this.#parts
    while (!this.#isClosed && quota.free('plain') > 0) {
      const first = this.#waiting.shift()
      if (first === undefined) break
      this.#waitingBytes -= first.packet.length
      this.#write(first)
    }
    if (this.#hasRoom()) for (const wake of this.#wake.splice(0)) wake()
  }

  #write({ packet, packetId, since }: Waiting): void {
    const { quota, now, write, discard } = this.#parts
    const seconds = Math.floor((now() - since) / 1000)
    if (seconds > 0 && !age(packet, seconds)) return discard(packetId)
    // One that is sent again under its id has its place already.
    if (!this.#sent.has(packetId)) quota.take('plain')
    this.#sent.add(packetId)
    write(packet)
  }
}
