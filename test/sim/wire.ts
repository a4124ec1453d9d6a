// MQTT 3.1.1 as a client speaks it: bytes of its packets, and packets from bytes. Independent of
// the server's own code, so that the two cannot be wrong together.

import type { Packet } from 'mqtt-packet'
import mqtt from 'mqtt-packet'

export type Qos = 0 | 1 | 2

/** A packet of the server. */
export interface Received {
  readonly type: number
  readonly flags: number
  /** What follows the fixed header. */
  readonly body: Buffer
}

export interface ReceivedPublish {
  readonly topic: string
  readonly qos: number
  readonly dup: boolean
  readonly packetId: number
  readonly payload: string
}

export const types = {
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  suback: 9,
  unsuback: 11,
  pingresp: 13,
} as const

export const disconnectBytes: Buffer = Buffer.from([0xe0, 0])
export const pingBytes: Buffer = Buffer.from([0xc0, 0])

export function connectBytes(
  user: string,
  device: string,
  options: { readonly clean: boolean; readonly keepalive: number },
): Buffer {
  return mqtt.generate({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId: device,
    username: user,
    password: Buffer.from(user),
    ...options,
  } as Packet)
}

export function publishBytes(publish: {
  readonly topic: string
  readonly payload: string
  readonly qos: Qos
  readonly dup: boolean
  readonly packetId: number
}): Buffer {
  const { topic, payload, qos, dup, packetId } = publish
  const id = qos > 0 ? { messageId: packetId } : {}
  return mqtt.generate({ cmd: 'publish', topic, payload, qos, dup, retain: false, ...id })
}

export function acknowledgementBytes(type: number, packetId: number): Buffer {
  return Buffer.from([(type << 4) | (type === types.pubrel ? 2 : 0), 2, packetId >> 8, packetId])
}

export function subscribeBytes(messageId: number, filters: readonly string[], qos: Qos): Buffer {
  const subscriptions = filters.map((topic) => ({ topic, qos }))
  return mqtt.generate({ cmd: 'subscribe', messageId, subscriptions } as Packet)
}

export function unsubscribeBytes(messageId: number, filters: readonly string[]): Buffer {
  return mqtt.generate({ cmd: 'unsubscribe', messageId, unsubscriptions: [...filters] } as Packet)
}

/** Makes a reader that takes the stream in any pieces and calls back for each whole packet. */
export function makeReader(received: (packet: Received) => void): (bytes: Buffer) => void {
  let kept: Buffer = Buffer.alloc(0)

  const next = (): Received | undefined => {
    let length = 0
    for (let at = 1; at <= 4; at++) {
      const byte = kept[at]
      if (byte === undefined) return undefined
      length += (byte & 0x7f) << (7 * (at - 1))
      if (byte >= 0x80) continue
      const end = at + 1 + length
      if (kept.length < end) return undefined
      const header = kept[0] as number
      const packet = { type: header >> 4, flags: header & 15, body: kept.subarray(at + 1, end) }
      kept = kept.subarray(end)
      return packet
    }
    throw new Error('the server sent a remaining length of more than four bytes')
  }

  return (bytes) => {
    kept = kept.length === 0 ? bytes : Buffer.concat([kept, bytes])
    for (let packet = next(); packet !== undefined; packet = next()) received(packet)
  }
}

export function readPublish({ flags, body }: Received): ReceivedPublish {
  const qos = (flags >> 1) & 3
  const topicEnd = 2 + body.readUInt16BE(0)
  return {
    topic: body.toString('utf8', 2, topicEnd),
    qos,
    dup: (flags & 8) !== 0,
    packetId: qos === 0 ? 0 : body.readUInt16BE(topicEnd),
    payload: body.toString('utf8', topicEnd + (qos === 0 ? 0 : 2)),
  }
}
