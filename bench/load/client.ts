// One MQTT connection of the load: a raw socket, read into a buffer that all connections of the
// thread share, and written once for all that a chunk of input gave cause for.

import { connect, type Socket } from 'node:net'
import {
  connectPacket,
  disconnectPacket,
  type Login,
  makeFramer,
  type PacketPlace,
  packetType,
  pubackPacket,
  publishPacket,
  subscribePacket,
} from './packets.ts'

/** How long a broker may take for a CONNACK or a SUBACK. */
const answerMsMax = 60_000

export interface ClientOptions extends Login {
  readonly host: string
  readonly port: number
  /** What sockets read into, shared by all clients of the thread. */
  readonly buffer: Buffer
  /** A PUBLISH came; its payload lies in `bytes` from `start` to `end`, until this returns. */
  readonly received?: (bytes: Buffer, start: number, end: number) => void
  readonly acknowledged?: (packetId: number) => void
}

export interface Client {
  /** Resolves with the SUBACK; rejects when the filter is refused. */
  subscribe(filter: string, qos: number): Promise<void>
  /** Queues a PUBLISH, QoS 0 when the packet id is 0; `flush` or the next input sends it. */
  publish(topic: string, payload: string, packetId: number): void
  flush(): void
  /** Whether the socket holds bytes that the broker has not taken. */
  isFull(): boolean
  /** Stops reading for good. */
  stall(): void
  /** Says DISCONNECT and closes. */
  disconnect(): void
  /** Whether the connection ended without `disconnect`. */
  isDead(): boolean
}

interface Answer {
  readonly type: number
  settle(returnCode: number): void
  fail(error: Error): void
}

/** Connects, and resolves with the CONNACK. Rejects when the broker refuses, or does not answer. */
export async function openClient(options: ClientOptions): Promise<Client> {
  let state: 'open' | 'stalled' | 'left' | 'dead' = 'open'
  let waiting = ''
  let answer: Answer | undefined

  const framer = makeFramer((place) => {
    const type = place.header >> 4
    if (type === packetType.publish) takePublish(place)
    else if (type === packetType.puback) {
      options.acknowledged?.(place.bytes.readUInt16BE(place.start))
    } else if (type === answer?.type) answer.settle(place.bytes[place.end - 1] as number)
  })

  const takePublish = ({ bytes, header, start, end }: PacketPlace): void => {
    let payload = start + 2 + bytes.readUInt16BE(start)
    if ((header & 0x06) !== 0) {
      waiting += pubackPacket(bytes.readUInt16BE(payload))
      payload += 2
    }
    options.received?.(bytes, payload, end)
  }

  const flush = (): void => {
    if (waiting === '' || !socket.writable) return
    const bytes = waiting
    waiting = ''
    socket.write(bytes, 'latin1')
  }

  const socket: Socket = connect({
    host: options.host,
    port: options.port,
    noDelay: true,
    onread: {
      buffer: options.buffer,
      callback(length, bytes) {
        if (state === 'stalled') return false
        framer.push((bytes as Buffer).subarray(0, length))
        flush()
        return true
      },
    },
  })
  const end = (error: Error): void => {
    if (state !== 'left') state = 'dead'
    answer?.fail(error)
  }
  socket.on('error', end)
  socket.on('close', () => end(new Error('the broker closed the connection')))

  const ask = (type: number, packet: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer)
        answer = undefined
      }
      const timer = setTimeout(() => {
        answer?.fail(new Error(`no answer of ${options.host}:${options.port}`))
      }, answerMsMax)
      answer = {
        type,
        settle(code) {
          finish()
          resolve(code)
        },
        fail(error) {
          finish()
          reject(error)
        },
      }
      waiting += packet
      flush()
    })

  const code = await ask(packetType.connack, connectPacket(options))
  if (code !== 0) {
    socket.destroy()
    throw new Error(`the broker refused client ${options.clientId} with code ${code}`)
  }
  return {
    async subscribe(filter, qos) {
      const granted = await ask(packetType.suback, subscribePacket(filter, qos))
      if (granted > 2) throw new Error(`the broker refused the filter ${filter}`)
    },
    publish(topic, payload, packetId) {
      waiting += publishPacket(topic, payload, packetId)
    },
    flush,
    isFull: () => socket.writableNeedDrain,
    stall() {
      state = 'stalled'
      // Without this a socket whose buffer is full only stops at its next chunk.
      socket.pause()
    },
    disconnect() {
      state = 'left'
      flush()
      socket.end(disconnectPacket, 'latin1')
    },
    isDead: () => state === 'dead',
  }
}
