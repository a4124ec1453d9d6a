// Reads the fields of one packet, front to back, strictly: what MQTT forbids in a field ends the
// connection. Never reads outside the packet.

import { isUtf8 } from 'node:buffer'
import { FatalPacket } from './fatal-packet.ts'
import type { Frame } from './framer.ts'

/** The level of the protocol a client speaks: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0. */
export type Level = 3 | 4 | 5

/** What bytes say, as MQTT wants text: well-formed UTF-8 without surrogates and without U+0000
 * [MQTT-1.5.3-1, MQTT-1.5.3-2, MQTT5-1.5.4-1, MQTT5-1.5.4-2]; U+FEFF is kept [MQTT-1.5.3-3]. Throws
 * `FatalPacket`. */
export function readText(bytes: Buffer, what: string): string {
  if (!isUtf8(bytes)) throw new FatalPacket(`${what} that is not UTF-8 [MQTT-1.5.3-1]`)
  if (bytes.includes(0)) throw new FatalPacket(`${what} with a NUL [MQTT-1.5.3-2]`)
  return bytes.toString()
}

export class PacketReader {
  readonly #buffer: Buffer
  #at: number
  readonly #end: number

  constructor({ buffer, start, end }: Pick<Frame, 'buffer' | 'start' | 'end'>) {
    this.#buffer = buffer
    this.#at = start
    this.#end = end
  }

  isAtEnd(): boolean {
    return this.#at === this.#end
  }

  byte(what: string): number {
    return this.#buffer[this.#take(1, what)] as number
  }

  uint16(what: string): number {
    return this.#buffer.readUInt16BE(this.#take(2, what))
  }

  uint32(what: string): number {
    return this.#buffer.readUInt32BE(this.#take(4, what))
  }

  /** A variable byte integer in as few bytes as it needs [MQTT5-1.5.5-1]. */
  variable(what: string): number {
    let value = 0
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.byte(what)
      value |= (byte & 0x7f) << shift
      if (byte >= 0x80) continue
      if (byte === 0 && shift > 0) throw new FatalPacket(`${what} in more bytes than it needs`)
      return value
    }
    throw new FatalPacket(`${what} of more than four bytes`)
  }

  /** A string with its length. */
  text(what: string): string {
    return readText(this.bytes(what), what)
  }

  /** Binary data with its length; it lies in the packet. */
  bytes(what: string): Buffer {
    const length = this.uint16(what)
    const start = this.#take(length, what)
    return this.#buffer.subarray(start, start + length)
  }

  /** A packet id, which is not 0 [MQTT-2.3.1-1, MQTT5-2.2.1-3]. */
  packetId(): number {
    const id = this.uint16('a packet id')
    if (id === 0) throw new FatalPacket('packet id 0 [MQTT-2.3.1-1]')
    return id
  }

  /** A reader of the next `length` bytes, which this one passes over. */
  part(length: number, what: string): PacketReader {
    const start = this.#take(length, what)
    return new PacketReader({ buffer: this.#buffer, start, end: start + length })
  }

  /** All that is left; it lies in the packet. */
  rest(): Buffer {
    return this.#buffer.subarray(this.#take(this.#end - this.#at, 'the rest'), this.#end)
  }

  /** Nothing may follow. */
  demandEnd(): void {
    if (this.#at < this.#end) throw new FatalPacket('bytes after the end of a packet')
  }

  #take(length: number, what: string): number {
    const at = this.#at
    if (at + length > this.#end) throw new FatalPacket(`a packet that ends within ${what}`)
    this.#at = at + length
    return at
  }
}
