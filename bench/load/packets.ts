// MQTT 3.1.1 on the wire, by hand: the few packets a load needs, written as latin1 text of their
// bytes (a socket takes that without a copy), and a reader of the byte stream.

/** Packet types, the upper four bits of the first byte. */
export const packetType = { connack: 2, publish: 3, puback: 4, suback: 9 } as const

export const disconnectPacket = '\xe0\x00'

/** No ping is ever sent: no case leaves a connection silent for so long. */
const keepAliveSeconds = 600

export interface Login {
  readonly clientId: string
  /** Empty: none is sent. */
  readonly user: string
  readonly password: string
  readonly clean: boolean
}

export function connectPacket({ clientId, user, password, clean }: Login): string {
  const hasPassword = user !== '' && password !== ''
  const flags = (clean ? 0x02 : 0) | (user === '' ? 0 : 0x80) | (hasPassword ? 0x40 : 0)
  const names = [clientId, ...(user === '' ? [] : [user]), ...(hasPassword ? [password] : [])]
  const head = `${text('MQTT')}\x04${String.fromCharCode(flags)}${uint16(keepAliveSeconds)}`
  return packet(0x10, head + names.map(text).join(''))
}

/** SUBSCRIBE with packet id 1 to one filter. */
export function subscribePacket(filter: string, qos: number): string {
  return packet(0x82, uint16(1) + text(filter) + String.fromCharCode(qos))
}

/** The part of a PUBLISH packet that all of a sender's have in common. */
export function publishTopic(topic: string): string {
  return text(topic)
}

/** PUBLISH; `topic` is what `publishTopic` made, the payload latin1 text of its bytes. */
export function publishPacket(topic: string, payload: string, packetId: number): string {
  if (packetId === 0) return packet(0x30, topic + payload)
  return packet(0x32, topic + uint16(packetId) + payload)
}

export function pubackPacket(packetId: number): string {
  return `\x40\x02${uint16(packetId)}`
}

function packet(header: number, content: string): string {
  let length = ''
  let rest = content.length
  do {
    length += String.fromCharCode((rest & 127) | (rest > 127 ? 128 : 0))
    rest >>>= 7
  } while (rest > 0)
  return String.fromCharCode(header) + length + content
}

function text(value: string): string {
  const bytes = Buffer.from(value).toString('latin1')
  return uint16(bytes.length) + bytes
}

function uint16(value: number): string {
  return String.fromCharCode(value >>> 8, value & 255)
}

/** Where a packet lies: `bytes` from `start` to `end` without its header. */
export interface PacketPlace {
  bytes: Buffer
  header: number
  start: number
  end: number
}

export interface Framer {
  /** Takes bytes, which may be overwritten once it returns, and handles each whole packet. */
  push(chunk: Buffer): void
}

/** Makes a reader of one byte stream. The place it hands out is the same object each time. */
export function makeFramer(handle: (place: PacketPlace) => void): Framer {
  let rest: Buffer | undefined
  const place: PacketPlace = { bytes: Buffer.alloc(0), header: 0, start: 0, end: 0 }

  /** Finds the packet that begins at `place.end`; false when it is not there as a whole. */
  const next = (): boolean => {
    const { bytes, end: first } = place
    let length = 0
    for (let index = 1; index <= 4; index++) {
      const byte = bytes[first + index]
      if (byte === undefined) return false
      length += (byte & 127) << (7 * (index - 1))
      if (byte < 128) {
        const start = first + index + 1
        if (start + length > bytes.length) return false
        place.header = bytes[first] as number
        place.start = start
        place.end = start + length
        return true
      }
    }
    throw new Error('the broker sent a packet with a broken length')
  }

  return {
    push(chunk) {
      place.bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk])
      place.end = 0
      while (next()) handle(place)
      const { bytes, end } = place
      rest = end === bytes.length ? undefined : Buffer.from(bytes.subarray(end))
    },
  }
}
