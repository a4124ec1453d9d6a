// The joined writer: what many parts of the broker write to one socket in one turn of the event
// loop leaves in one write.

import type { Duplex } from 'node:stream'
import { stampPublish } from './packets.ts'

/** Schedules outboxes; one for all connections, so that a turn has one callback, not one each. */
export class Postman {
  /** Bytes given to all sockets. */
  sentBytes = 0
  #dirty: Outbox[] = []

  /** The outbox of a socket. `taken` is called when a write has left room for more: at once, or,
   * if the socket says that it is full, never; then it emits 'drain'. */
  outbox(socket: Duplex, taken: () => void): Outbox {
    return new Outbox(this, socket, taken)
  }

  /** Flushes the outbox at the end of the turn. */
  schedule(outbox: Outbox): void {
    if (this.#dirty.push(outbox) === 1) setImmediate(this.#deliverAll)
  }

  readonly #deliverAll = (): void => {
    const dirty = this.#dirty
    this.#dirty = []
    for (const outbox of dirty) outbox.flush()
  }
}

/** Where packets to one client are written. A class, because there is one for each connection. */
export class Outbox {
  readonly #postman: Postman
  readonly #socket: Duplex
  readonly #taken: () => void
  #packets: Buffer[] = []
  /** Packet ids to stamp on the packets: 0 for none, negative with DUP. */
  #stamps: number[] = []
  #waitingBytes = 0
  #writtenBytes = 0

  constructor(postman: Postman, socket: Duplex, taken: () => void) {
    this.#postman = postman
    this.#socket = socket
    this.#taken = taken
  }

  /** Writes a packet. It must not be changed before the end of the turn. */
  write(packet: Buffer): void {
    this.#add(packet, 0)
  }

  /** Writes a copy of a PUBLISH with this packet id, 1 or more. */
  writePublish(template: Buffer, packetId: number, dup: boolean): void {
    this.#add(template, dup ? -packetId : packetId)
  }

  #add(packet: Buffer, stamp: number): void {
    if (this.#packets.push(packet) === 1) this.#postman.schedule(this)
    this.#stamps.push(stamp)
    this.#waitingBytes += packet.length
    this.#writtenBytes += packet.length
  }

  /** Writes what is waiting at once. */
  flush(): void {
    if (this.#packets.length === 0) return
    const bytes = this.#join()
    this.#postman.sentBytes += bytes.length
    if (this.#socket.writable && this.#socket.write(bytes)) this.#taken()
  }

  /** Takes what is waiting, as one piece. */
  #join(): Buffer {
    const packets = this.#packets
    const stamps = this.#stamps
    const length = this.#waitingBytes
    this.#packets = []
    this.#stamps = []
    this.#waitingBytes = 0
    if (packets.length === 1 && stamps[0] === 0) return packets[0] as Buffer
    const bytes = Buffer.allocUnsafe(length)
    let at = 0
    for (let index = 0; index < packets.length; index++) {
      const packet = packets[index] as Buffer
      const stamp = stamps[index] as number
      bytes.set(packet, at)
      if (stamp !== 0) stampPublish(bytes, at, stamp)
      at += packet.length
    }
    return bytes
  }

  /** Bytes written here that the socket has not taken. */
  unsentBytes(): number {
    return this.#waitingBytes + this.#socket.writableLength
  }

  /** Bytes written here that the socket has taken, in all. */
  takenBytes(): number {
    return this.#writtenBytes - this.unsentBytes()
  }
}
