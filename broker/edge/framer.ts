// Cuts a byte stream into MQTT packets. Complete packets are handed out in place; the bytes of an
// incomplete one are kept in a buffer that grows as they come, never ahead of them, so that an
// announced length costs nothing.

import { reasonCode } from '../../protocol/reasons.ts'
import { FatalPacket } from './fatal-packet.ts'

/** One packet: its first byte (type and flags), and where its variable header and payload lie. The
 * object is used again for the next packet. */
export interface Frame {
  header: number
  buffer: Buffer
  /** First byte of the packet. */
  first: number
  /** First byte after the fixed header. */
  start: number
  /** One past the last byte. */
  end: number
}

const emptyBuffer = Buffer.alloc(0)
/** The first byte, and up to four of the remaining length. */
const fixedHeaderBytesMax = 5

export class Framer {
  /** Largest packet accepted, in bytes of its remaining length. */
  packetBytesMax: number
  /** What is not handed out yet begins at `#offset`. */
  #chunk: Buffer = emptyBuffer
  #offset = 0
  /** The buffer of this framer's own that `#chunk` is a prefix of; undefined while `#chunk` is a
   * chunk as the socket gave it. */
  #store: Buffer | undefined
  readonly #frame: Frame

  constructor(packetBytesMax: number) {
    this.packetBytesMax = packetBytesMax
    this.#frame = { header: 0, buffer: emptyBuffer, first: 0, start: 0, end: 0 }
  }

  /** Adds bytes of the stream. They must not be changed afterwards. */
  push(bytes: Buffer): void {
    const kept = this.pending()
    if (kept === 0) this.#use(bytes, undefined)
    else this.#append(bytes, kept)
  }

  #use(chunk: Buffer, store: Buffer | undefined): void {
    this.#chunk = chunk
    this.#offset = 0
    this.#store = store
  }

  /** Appends to what is kept. The capacity doubles when it must grow, so that a packet that comes
   * byte by byte costs linear time, but not beyond the largest packet. */
  #append(bytes: Buffer, kept: number): void {
    const length = kept + bytes.length
    let store = this.#store
    if (store === undefined || this.#offset > 0 || store.length < length) {
      const capacity = Math.min(length * 2, this.packetBytesMax + fixedHeaderBytesMax)
      store = Buffer.allocUnsafeSlow(Math.max(length, capacity))
      this.#chunk.copy(store, 0, this.#offset)
    }
    bytes.copy(store, kept)
    this.#use(store.subarray(0, length), store)
  }

  /** Lets go of all bytes that are not handed out yet. */
  drop(): void {
    this.#use(emptyBuffer, undefined)
  }

  /** Bytes that are not handed out yet. */
  pending(): number {
    return this.#chunk.length - this.#offset
  }

  /** The next complete packet, valid until the next call of `next` or `push`; undefined when more
   * bytes are needed. Throws `FatalPacket`. */
  next(): Frame | undefined {
    const chunk = this.#chunk
    const first = this.#offset
    let at = first + 1
    let length = 0
    // Remaining length: up to four bytes of seven bits [MQTT-2.2.3].
    for (let shift = 0; ; shift += 7) {
      if (shift > 21) throw new FatalPacket('a remaining length of more than four bytes')
      const byte = chunk[at++]
      if (byte === undefined) return undefined
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    if (length > this.packetBytesMax) {
      const reason = `a packet of ${length} bytes, ${this.packetBytesMax} are allowed`
      throw new FatalPacket(reason, reasonCode.packetTooLarge)
    }
    const end = at + length
    if (end > chunk.length) return undefined
    this.#offset = end
    const frame = this.#frame
    frame.header = chunk[first] as number
    frame.buffer = chunk
    frame.first = first
    frame.start = at
    frame.end = end
    // Nothing is left: lets go of the chunk once the frame is done with.
    if (end === chunk.length) this.#use(emptyBuffer, undefined)
    return frame
  }
}
