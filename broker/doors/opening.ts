// The first bytes of a connection, looked at before anybody else reads it: within a time, within a
// bound. Who comes after finds the socket as if it were new.

import type { Server, Socket } from 'node:net'

/** How much of the beginning was understood, and what it says; undefined: more bytes are needed. */
export type Opening<Value> = { readonly taken: number; readonly value: Value } | undefined

/** What a connection begins with is not what it must begin with. */
export class BadOpening extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'BadOpening'
  }
}

interface Reading<Value> {
  /** Looks at all that has come so far. Must bound what it asks for; throws `BadOpening`. */
  readonly look: (bytes: Buffer) => Opening<Value>
  readonly timeoutMs: number
  /** Called with the socket's next byte being the one after those taken. */
  readonly done: (value: Value) => void
  /** Called, with the socket destroyed, when it ended before the opening was there, or after a
   * bad one. `heard` says whether there was a byte at all. */
  readonly failed: (reason: string, heard: boolean) => void
}

/** Reads the opening of a new socket that nobody has read from. */
export function readOpening<Value>(socket: Socket, reading: Reading<Value>): void {
  let bytes: Buffer = Buffer.alloc(0)
  const timer = setTimeout(() => fail('too late'), reading.timeoutMs)
  const stop = (): void => {
    clearTimeout(timer)
    socket.off('readable', read)
    socket.off('end', ended)
    socket.off('close', ended)
    socket.off('error', ignore)
  }
  const fail = (reason: string): void => {
    stop()
    socket.on('error', ignore)
    socket.destroy()
    reading.failed(reason, bytes.length > 0)
  }
  const ended = (): void => fail('too short')
  const read = (): void => {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) return
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    try {
      const opening = reading.look(bytes)
      if (opening === undefined) return
      stop()
      handOver(socket, bytes.subarray(opening.taken), () => reading.done(opening.value))
    } catch (error) {
      if (!(error instanceof BadOpening)) throw error
      fail(error.message)
    }
  }
  socket.on('error', ignore)
  socket.on('end', ended)
  socket.on('close', ended)
  socket.on('readable', read)
}

/** Puts back what is left. A turn later, because only then a stream without 'readable' listeners is
 * as it was when it was new. */
function handOver(socket: Socket, rest: Buffer, done: () => void): void {
  socket.on('error', ignore)
  process.nextTick(() => {
    if (socket.destroyed) return
    if (rest.length > 0) socket.unshift(rest)
    done()
    socket.off('error', ignore)
  })
}

/** Lets `stage` have each connection of a server before those who listen to it now; they get it
 * when, and if, `pass` is called. Works for servers of TCP, TLS and HTTP alike. */
export function interceptConnections(
  server: Server,
  stage: (socket: Socket, pass: () => void) => void,
): void {
  const listeners = server.listeners('connection')
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) =>
    stage(socket, () => {
      for (const listener of listeners) listener.call(server, socket)
    }),
  )
}

function ignore(): void {}
