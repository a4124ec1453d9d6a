// The way to aedes: a Duplex that carries whole MQTT packets. What the edge does not answer
// itself goes in; what aedes answers comes out packet by packet and joins the connection's other
// output.

import { Duplex } from 'node:stream'
import type { Frame } from './framer.ts'
import { Framer } from './framer.ts'

interface AedesStreamEvents {
  /** A packet of aedes for the client. */
  readonly packet: (frame: Frame) => void
  /** aedes has closed the connection. */
  readonly closed: () => void
  /** aedes has read what it was given: `give` may go on. */
  readonly wanted: () => void
  /** Whether the client's socket takes bytes; if not, aedes is held until `drained()`. */
  readonly isStalled: () => boolean
}

/** No bound is needed on what aedes writes itself. */
const anySize = 0x0f_ff_ff_ff

export class AedesStream extends Duplex {
  readonly #events: AedesStreamEvents
  readonly #framer = new Framer(anySize)
  #held: (() => void) | undefined

  constructor(events: AedesStreamEvents) {
    super({ allowHalfOpen: false })
    this.#events = events
    this.on('error', ignore)
  }

  /** Hands a packet of the client to aedes. The bytes are copied: they may lie in a larger chunk.
   * False when aedes has enough for now; `wanted` tells when to go on. */
  give({ buffer, first, end }: Frame): boolean {
    return this.destroyed || this.push(Buffer.from(buffer.subarray(first, end)))
  }

  /** Hands aedes bytes that were made for it. */
  giveBytes(bytes: Buffer): void {
    if (!this.destroyed) this.push(bytes)
  }

  /** The client's socket takes bytes again. */
  drained(): void {
    const proceed = this.#held
    this.#held = undefined
    proceed?.()
  }

  override _read(): void {
    this.#events.wanted()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#framer.push(chunk)
    for (let frame = this.#framer.next(); frame; frame = this.#framer.next()) {
      this.#events.packet(frame)
    }
    if (this.#events.isStalled()) this.#held = () => done()
    else done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#held = undefined
    done(error)
    this.#events.closed()
  }
}

function ignore(): void {}
