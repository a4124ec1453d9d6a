// The joined writer: what many parts of the broker write to one socket in one turn of the event
// loop leaves in one write.

import type { Duplex } from 'node:stream'

/** Where packets to one client are written. */
export interface Outbox {
  write(packet: Buffer): void
  /** Writes what is waiting at once. */
  flush(): void
  /** Bytes written here that the socket has not taken. */
  unsentBytes(): number
  /** Bytes written here that the socket has taken, in all. */
  takenBytes(): number
}

/** Schedules outboxes; one for all connections, so that a turn has one callback, not one each. */
export interface Postman {
  /** The outbox of a socket. `taken` is called when a write has left room for more: at once, or,
   * if the socket says that it is full, never; then it emits 'drain'. */
  outbox(socket: Duplex, taken: () => void): Outbox
}

export function makePostman(): Postman {
  let dirty: (() => void)[] = []

  const deliverAll = () => {
    const flushes = dirty
    dirty = []
    for (const flush of flushes) flush()
  }

  const schedule = (flush: () => void) => {
    if (dirty.push(flush) === 1) setImmediate(deliverAll)
  }

  return { outbox: (socket, taken) => makeOutbox(socket, taken, schedule) }
}

function makeOutbox(
  socket: Duplex,
  taken: () => void,
  schedule: (flush: () => void) => void,
): Outbox {
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let writtenBytes = 0

  const flush = () => {
    if (waiting.length === 0) return
    const packets = waiting
    waiting = []
    waitingBytes = 0
    if (!socket.writable) return
    const packet = packets.length === 1 ? (packets[0] as Buffer) : Buffer.concat(packets)
    if (socket.write(packet)) taken()
  }

  const unsentBytes = () => waitingBytes + socket.writableLength

  return {
    write(packet) {
      if (waiting.push(packet) === 1) schedule(flush)
      waitingBytes += packet.length
      writtenBytes += packet.length
    },
    flush,
    unsentBytes,
    takenBytes: () => writtenBytes - unsentBytes(),
  }
}
