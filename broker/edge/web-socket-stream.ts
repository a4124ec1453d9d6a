// A WebSocket as a Duplex of bytes, with back-pressure in both directions. Like a socket that is
// half open, it ends its input when the peer closes, and stays until its owner ends it. Small on
// purpose: the ready-made ones either lose the joined write or do not stop a peer that floods
// (ARCHITECTURE.md).

import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

const unsupportedData = 1003
/** Headers of the frames that a CONNECT may come in, by and large. */
const headerBytesMax = 1024

export class WebSocketStream extends Duplex {
  readonly #webSocket: WebSocket
  #ended = false
  /** Bytes of complete frames, without their headers. */
  #framedBytes = 0
  readonly #watch: () => void
  readonly #unwatch: () => void

  /** `socket` is what the WebSocket runs on: until `trust()`, a peer whose frame is not finished
   * after `preConnectBytesMax` is cut, because ws keeps frames whole. */
  constructor(
    webSocket: WebSocket,
    {
      socket,
      preConnectBytesMax,
    }: { readonly socket: Socket; readonly preConnectBytesMax: number },
  ) {
    super()
    this.#webSocket = webSocket
    const before = socket.bytesRead
    this.#watch = () => {
      const unfinished = socket.bytesRead - before - this.#framedBytes
      if (unfinished > preConnectBytesMax + headerBytesMax) this.destroy()
    }
    this.#unwatch = () => socket.off('data', this.#watch)
    socket.on('data', this.#watch)
    // Whoever takes the stream listens too; without a listener an error would end the process.
    this.on('error', ignore)
    webSocket.on('message', (data, isBinary) => this.#received(data as Buffer, isBinary))
    webSocket.on('close', () => {
      this.#end()
      if (this.writableEnded) this.destroy()
    })
    webSocket.on('error', (error) => this.destroy(error))
  }

  /** The peer is known: the bound on unfinished frames is that of every client from now on. */
  trust(): void {
    this.#unwatch()
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

  /** Sends, or drops what nobody is there to get: that the peer has gone shows in the end of its
   * input, and what it sent before is still to be read. */
  #send(bytes: Buffer, done: () => void): void {
    if (this.#webSocket.readyState === this.#webSocket.OPEN) {
      this.#webSocket.send(bytes, () => done())
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

function ignore(): void {}
