// A WebSocket as a Duplex: bytes come in, of whatever frames; MQTT packets go out, each in a frame
// of its own. With back-pressure in both directions. Like a socket that is half open, it ends its
// input when the peer closes, and stays until its owner ends it. The ready-made ones either lose
// the joined write or do not stop a peer that floods (ARCHITECTURE.md).

import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { framePackets } from './web-socket-frames.ts'

const unsupportedData = 1003
/** Headers of the frames that a CONNECT may come in, by and large. */
const headerBytesMax = 1024

interface WebSocketStreamParts {
  /** What the WebSocket runs on, without compression. Frames of packets are written to it directly,
   * between those of ws. */
  readonly socket: Socket
  /** Until `trust()`, a peer whose frame is not finished after so many bytes is cut, because ws
   * keeps frames whole. */
  readonly preConnectBytesMax: number
}

export class WebSocketStream extends Duplex {
  readonly #webSocket: WebSocket
  readonly #socket: Socket
  #ended = false
  /** Bytes of complete frames, without their headers. */
  #framedBytes = 0
  #isPonging = false
  /** What the newest ping said that is not answered; pings before it need no answer (RFC 6455,
   * section 5.5.3). */
  #owedPong: Buffer | undefined
  readonly #watch: () => void
  readonly #unwatch: () => void

  /** `webSocket` must leave pings to us (`autoPong: false`): ws queues an answer to each, also for
   * a peer that reads none. */
  constructor(webSocket: WebSocket, { socket, preConnectBytesMax }: WebSocketStreamParts) {
    super()
    this.#webSocket = webSocket
    this.#socket = socket
    const before = socket.bytesRead
    this.#watch = () => {
      const unfinished = socket.bytesRead - before - this.#framedBytes
      if (unfinished > preConnectBytesMax + headerBytesMax) this.destroy()
    }
    this.#unwatch = () => socket.off('data', this.#watch)
    socket.on('data', this.#watch)
    webSocket.on('message', (data, isBinary) => this.#received(data as Buffer, isBinary))
    webSocket.on('ping', (data) => this.#pong(data))
    webSocket.on('close', () => {
      this.#end()
      if (this.writableEnded) this.destroy()
    })
    // A frame that breaks the protocol: ws tells the peer, and reads no more.
    webSocket.on('error', () => this.#end())
  }

  /** The peer is known: the bound on unfinished frames is that of every client from now on. */
  trust(): void {
    this.#unwatch()
  }

  /** Asks the peer for a sign of life. */
  ping(): void {
    if (this.#webSocket.readyState === this.#webSocket.OPEN) this.#webSocket.ping()
  }

  /** Bytes of the network that were heard of the peer so far, pongs included. */
  heardBytes(): number {
    return this.#socket.bytesRead
  }

  /** Whether the peer is not listened to, because what it said before is not taken yet. */
  isHeld(): boolean {
    return this.#webSocket.isPaused
  }

  #received(data: Buffer, isBinary: boolean): void {
    this.#framedBytes += data.length
    if (this.#ended) return
    if (isBinary) {
      if (!this.push(data)) this.#webSocket.pause()
      return
    }
    // MQTT travels in binary frames only [MQTT-6.0.0-1].
    this.#webSocket.close(unsupportedData)
    this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.push(null)
  }

  #pong(data: Buffer): void {
    if (this.#isPonging) {
      this.#owedPong = data
      return
    }
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return
    this.#isPonging = true
    this.#webSocket.pong(data, false, () => {
      this.#isPonging = false
      const owed = this.#owedPong
      this.#owedPong = undefined
      if (owed !== undefined) this.#pong(owed)
    })
  }

  /** Sends, or drops what nobody is there to get: that the peer has gone shows in the end of its
   * input, and what it sent before is still to be read. */
  #send(packets: Buffer, done: () => void): void {
    if (this.#webSocket.readyState === this.#webSocket.OPEN) {
      this.#socket.write(framePackets(packets), () => done())
    } else {
      done()
    }
  }

  override _read(): void {
    if (this.#webSocket.isPaused) this.#webSocket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#send(chunk, done)
  }

  override _writev(chunks: { readonly chunk: Buffer }[], done: () => void): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  }

  override _final(done: () => void): void {
    this.#webSocket.close()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#webSocket.terminate()
    done(error)
  }
}
