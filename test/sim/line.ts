// A network connection in memory: the server has its end as a Duplex, the client a few functions.
// Bytes travel only when told, in pieces as small as told; a line can stall, end halfway, or break.

import { Duplex } from 'node:stream'

/** What the client's end hears. */
export interface LineEvents {
  readonly received: (bytes: Buffer) => void
  /** The server has ended or broken the connection. */
  readonly closed: () => void
}

interface LineOptions {
  /** How many bytes the server's socket takes before it asks to wait. */
  readonly highWaterMark: number
}

export interface Line {
  /** The server's end. */
  readonly socket: Duplex
  /** Bytes of the client, which will arrive when they are carried. */
  send(bytes: Buffer): void
  /** The client ends its direction, after what it sent. */
  end(): void
  /** Breaks the connection: what is on its way is lost, and both ends know. */
  cut(): void
  /** The client is gone, without a word: nothing travels any more and the server does not know. */
  vanish(): void
  /** The server's machine is gone, and with it what was on its way. */
  orphan(): void
  /** Carries at most so many bytes each way. */
  carry(bytesMax: number): void
  /** Whether nothing is on its way. */
  isIdle(): boolean
  /** Bytes the server has written that the client has not got. */
  unsentBytes(): number
}

class ServerEnd extends Duplex {
  /** Bytes written, and what to call when they are taken. */
  written: { readonly bytes: Buffer; readonly done: () => void } | undefined
  finished: (() => void) | undefined
  wantsBytes = true

  constructor(highWaterMark: number) {
    super({ allowHalfOpen: true, highWaterMark })
    this.on('error', () => {})
  }

  override _read(): void {
    this.wantsBytes = true
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written = { bytes: chunk, done }
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.written = { bytes: Buffer.concat(chunks.map(({ chunk }) => chunk)), done }
  }

  override _final(done: () => void): void {
    this.finished = done
  }

  /** Takes written bytes off the socket. */
  takeWritten(bytesMax: number): Buffer | undefined {
    const { written } = this
    if (written === undefined) return undefined
    const taken = written.bytes.subarray(0, bytesMax)
    const left = written.bytes.subarray(bytesMax)
    this.written = left.length > 0 ? { bytes: left, done: written.done } : undefined
    if (left.length === 0) written.done()
    return taken
  }
}

/** `open`: bytes travel. `vanished`: the client is gone. `closed`: both know that it is over. */
type LineState = 'open' | 'vanished' | 'closed'

export function makeLine(events: LineEvents, { highWaterMark }: LineOptions): Line {
  const socket = new ServerEnd(highWaterMark)
  let state: LineState = 'open'
  let outgoing = Buffer.alloc(0)
  let isEnding = false

  const close = () => {
    if (state === 'closed') return
    const before = state
    state = 'closed'
    if (before === 'open') events.closed()
  }
  socket.on('close', close)

  const carryToServer = (bytesMax: number) => {
    if (socket.destroyed) return
    if (outgoing.length > 0 && socket.wantsBytes) {
      const bytes = outgoing.subarray(0, bytesMax)
      outgoing = outgoing.subarray(bytesMax)
      socket.wantsBytes = socket.push(bytes)
    }
    if (outgoing.length > 0 || !isEnding) return
    isEnding = false
    socket.push(null)
  }

  const carryToClient = (bytesMax: number) => {
    const bytes = socket.takeWritten(bytesMax)
    if (bytes !== undefined) events.received(bytes)
    if (socket.written !== undefined || socket.finished === undefined) return
    socket.finished()
    socket.finished = undefined
    // A client whose server has ended has nothing more to say.
    if (!socket.readableEnded) socket.push(null)
    close()
  }

  return {
    socket,
    send(bytes) {
      if (state === 'open') outgoing = Buffer.concat([outgoing, bytes])
    },
    end() {
      isEnding = true
    },
    cut() {
      socket.destroy(new Error('ECONNRESET'))
      close()
    },
    vanish() {
      if (state === 'open') state = 'vanished'
    },
    orphan() {
      close()
      socket.destroy()
    },
    carry(bytesMax) {
      if (state !== 'open' || bytesMax === 0) return
      carryToServer(bytesMax)
      // What the server was told may have made it close.
      if ((state as LineState) === 'open') carryToClient(bytesMax)
    },
    isIdle: () => state !== 'open' || (outgoing.length === 0 && socket.writableLength === 0),
    unsentBytes: () => socket.writableLength,
  }
}
