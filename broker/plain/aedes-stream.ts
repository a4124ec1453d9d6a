// The way to aedes: a Duplex that carries whole MQTT packets. What the edge does not answer
// itself goes in; what aedes answers comes out packet by packet and joins the connection's other
// output.

import { Duplex } from 'node:stream'
import type { Frame } from '../edge/framer.ts'
import { Framer } from '../edge/framer.ts'

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
  #isFinished = false

  constructor(events: AedesStreamEvents) {
    super({ allowHalfOpen: false })
    this.#events = events
    this.on('error', ignore)
  }

  /** Hands aedes whole packets, which it keeps. False when it has enough for now; `wanted` tells
   * when to go on. */
  give(packets: Buffer): boolean {
    return this.#isFinished || this.destroyed || this.push(packets)
  }

  /** The client is gone: aedes reads what it was given, and closes. What it says is dropped. */
  finish(): void {
    if (this.#isFinished || this.destroyed) return
    this.#isFinished = true
    this.push(null)
    this.#proceed()
  }

  /** Whether aedes waits for the client's socket. */
  isHeld(): boolean {
    return this.#held !== undefined
  }

  /** The client's socket has taken bytes. */
  drained(): void {
    if (this.#held !== undefined && !this.#events.isStalled()) this.#proceed()
  }

  #proceed(): void {
    const proceed = this.#held
    this.#held = undefined
    proceed?.()
  }

  override _read(): void {
    this.#events.wanted()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#take(chunk, done)
  }

  /** aedes writes a packet in pieces. */
  override _writev(pieces: { readonly chunk: Buffer }[], done: () => void): void {
    this.#take(Buffer.concat(pieces.map(({ chunk }) => chunk)), done)
  }

  #take(chunk: Buffer, done: () => void): void {
    if (this.#isFinished) return done()
    this.#framer.push(chunk)
    for (let frame = this.#framer.next(); frame; frame = this.#framer.next()) {
      this.#events.packet(frame)
    }
    if (this.#events.isStalled()) this.#held = done
    else done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#held = undefined
    done(error)
    this.#events.closed()
  }
}

function ignore(): void {}
