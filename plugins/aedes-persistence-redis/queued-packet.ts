// A message that waits for a device, and how it is written: what it counts for, a header in JSON,
// and the payload, each behind a line break.

export type Qos = 0 | 1 | 2

/** A message, or the PUBREL that took its place. */
export interface QueuedPacket {
  readonly cmd: string
  readonly brokerId?: string
  readonly brokerCounter?: number
  /** Who published it. */
  readonly clientId?: string
  /** When it is over, ms since the epoch; never if absent. */
  readonly messageExpiry?: number
  readonly topic?: string
  readonly payload?: Uint8Array | string
  readonly qos: Qos
  readonly retain?: boolean
  /** Set once it was sent. */
  messageId?: number | undefined
  dup: boolean
}

/** What a packet counts for beside payload and topic. */
const packetBytes = 128

export function bytesOf({ payload, topic }: QueuedPacket): number {
  return packetBytes + (payload?.length ?? 0) + (topic?.length ?? 0)
}

/** What tells a message of a broker from all others. */
export function memberOf({ brokerId, brokerCounter }: Partial<QueuedPacket>): string {
  return `${brokerId}:${brokerCounter}`
}

/** What stands for a message after PUBREC. */
export const received = `${packetBytes}\n{}\n`

export function writePacket(packet: QueuedPacket): Buffer {
  const { brokerId, brokerCounter, clientId, messageExpiry, topic, qos, retain, payload } = packet
  const header = { brokerId, brokerCounter, clientId, messageExpiry, topic, qos, retain }
  const head = Buffer.from(`${bytesOf(packet)}\n${JSON.stringify(header)}\n`)
  return Buffer.concat([head, Buffer.from(payload ?? '')])
}

/** Reads a message and its state: nothing, its packet id once it was sent, or that behind an `r`
 * after PUBREC. */
export function readPacket(bytes: Buffer, member: string, state: string | null): QueuedPacket {
  if (state?.startsWith('r')) {
    return { cmd: 'pubrel', qos: 0, dup: false, messageId: Number(state.slice(1)) }
  }
  const start = bytes.indexOf('\n') + 1
  const end = bytes.indexOf('\n', start)
  const header = JSON.parse(bytes.toString('utf8', start, end)) as QueuedPacket
  const split = member.lastIndexOf(':')
  return {
    ...header,
    cmd: 'publish',
    brokerId: member.slice(0, split),
    brokerCounter: Number(member.slice(split + 1)),
    payload: bytes.subarray(end + 1),
    // What has a packet id was sent before [MQTT-3.3.1-1].
    messageId: state === null ? undefined : Number(state),
    dup: state !== null,
  }
}
