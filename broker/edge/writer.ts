// Writes the fields of one packet, front to back, into a buffer of its exact size: what is made for
// every message may not cost a buffer for each field.

export class PacketWriter {
  /** The packet; whole when `bytes` were written. */
  readonly buffer: Buffer
  #at = 0

  constructor(bytes: number) {
    this.buffer = Buffer.allocUnsafe(bytes)
  }

  byte(value: number): void {
    this.buffer[this.#at++] = value
  }

  uint16(value: number): void {
    this.byte(value >> 8)
    this.byte(value & 0xff)
  }

  uint32(value: number): void {
    this.#at = this.buffer.writeUInt32BE(value, this.#at)
  }

  /** A variable byte integer [MQTT5-1.5.5-1]. */
  variable(value: number): void {
    let rest = value
    for (; rest >= 0x80; rest >>= 7) this.byte((rest & 0x7f) | 0x80)
    this.byte(rest)
  }

  /** A string with its length. */
  text(value: string): void {
    const start = this.#at + 2
    const length = this.buffer.write(value, start)
    this.uint16(length)
    this.#at = start + length
  }

  /** A string to the end of the packet. */
  rest(value: string): void {
    this.#at += this.buffer.write(value, this.#at)
  }

  /** Binary data with its length. */
  bytes(value: Buffer): void {
    this.uint16(value.length)
    this.buffer.set(value, this.#at)
    this.#at += value.length
  }
}

/** Bytes that a variable byte integer takes. */
export function variableBytes(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  return value < 0x20_0000 ? 3 : 4
}
