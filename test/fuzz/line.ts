// The wire of one connection of the fuzzer: TCP, WebSocket, or the bytes of a WebSocket.

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import { upgradeRequest } from './frames.ts'
import type { Transport } from './script.ts'

export interface Line {
  write(piece: Buffer): void
  /** Closes this side; the server is expected to close its own. */
  close(): void
  /** Ends the connection at once. */
  cut(): void
  /** Reads nothing until `resume`. */
  pause(): void
  resume(): void
  isClosed(): boolean
}

export interface Doors {
  readonly mqttPort: number
  readonly httpPort: number
}

type Heard = (bytes: Buffer) => void

const host = '127.0.0.1'

/** Opens a line; undefined when the server takes nobody in. */
export async function openLine(
  transport: Transport,
  doors: Doors,
  heard: Heard,
): Promise<Line | undefined> {
  if (transport === 'webSocket') return openWebSocket(doors.httpPort, heard)
  if (transport === 'tcp') return openSocket(doors.mqttPort, heard)
  // What comes back is frames, which nobody here reads.
  const line = await openSocket(doors.httpPort, () => {})
  line?.write(upgradeRequest(doors.httpPort))
  return line
}

async function openSocket(port: number, heard: Heard): Promise<Line | undefined> {
  const socket: Socket = connect({ port, host, noDelay: true, allowHalfOpen: true })
  let isClosed = false
  const closed = () => {
    isClosed = true
    socket.destroy()
  }
  socket.on('error', () => {})
  socket.on('end', closed)
  socket.on('close', closed)
  socket.on('data', heard)
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {})
  if (isClosed) return undefined
  return {
    write: (piece) => void (socket.writable && socket.write(piece)),
    close: () => void socket.end(),
    cut: () => void socket.resetAndDestroy(),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    isClosed: () => isClosed,
  }
}

async function openWebSocket(port: number, heard: Heard): Promise<Line | undefined> {
  const socket = new WebSocket(`ws://${host}:${port}/mqtt`, ['mqtt'])
  let isClosed = false
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
  })
  socket.on('message', (data) => heard(data as Buffer))
  await Promise.race([once(socket, 'open'), once(socket, 'close')]).catch(() => {})
  if (isClosed) return undefined
  return {
    write: (piece) => void (socket.readyState === WebSocket.OPEN && socket.send(piece)),
    close: () => socket.close(),
    cut: () => socket.terminate(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    isClosed: () => isClosed,
  }
}
