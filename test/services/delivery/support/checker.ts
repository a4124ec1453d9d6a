// The checker of the simulation: what a device got, against what it must get. It knows nothing of
// how the engine works; it sees deliveries, acknowledgements, connections, joins and departures.

import type { Delivered } from './fake-link.ts'

interface Pending {
  readonly conversation: string
  readonly seq: number
  isAcknowledged: boolean
}

/** One connection of a device, as the checker follows it. */
export interface Watched {
  readonly device: string
  /** Last position delivered on this connection, by conversation. */
  readonly last: Map<string, number>
  /** Deliveries that are not acknowledged together with all before them. */
  readonly pending: {
    readonly conversation: string
    readonly seq: number
    isAcknowledged: boolean
  }[]
  readonly byPacketId: Map<number, number>
  /** Deliveries released from `pending`, to find them by number. */
  released: number
  isClosed: boolean
}

export interface Checker {
  readonly violations: string[]
  /** A device that may hear of a conversation from a position on. */
  mayHear(device: string, conversation: string, after: number): void
  /** From now on nothing of the conversation may be delivered to the device. */
  mustNotHear(device: string, conversation: string): void
  connected(device: string): Watched
  closed(connection: Watched): void
  delivered(connection: Watched, delivered: Delivered): void
  acknowledged(connection: Watched, packetId: number): void
  /** The process died, or cursors could not be written: repetition is allowed from here on. */
  allowRepetition(): void
  /** The position up to which the device has acknowledged without a gap. */
  acked(device: string, conversation: string): number | undefined
  /** Devices and conversations that must have reached these heads. */
  mustBeAt(connection: Watched, conversation: string, head: number): string | undefined
}

export function makeChecker(): Checker {
  const violations: string[] = []
  /** By device and conversation: acknowledged up to here; absent when it must not hear of it. */
  const cursors = new Map<string, number>()
  const everSent = new Map<string, number>()
  let isRepetitionAllowed = false
  const keyOf = (device: string, conversation: string) => `${device} ${conversation}`

  const checkFirst = (key: string, seq: number) => {
    const acked = cursors.get(key) ?? 0
    if (seq > acked + 1) violations.push(`${key}: begins at ${seq}, acknowledged are ${acked}`)
    if (seq <= acked && !isRepetitionAllowed) {
      violations.push(`${key}: repeats ${seq}, acknowledged are ${acked}`)
    }
  }

  const checkNext = (key: string, seq: number, last: number) => {
    // After a departure and a new join a conversation begins again at the join.
    const isNewJoin = seq > last + 1 && seq === (cursors.get(key) ?? -1) + 1
    if (seq !== last + 1 && !isNewJoin) violations.push(`${key}: ${seq} follows ${last}`)
  }

  return {
    violations,
    mayHear: (device, conversation, after) => void cursors.set(keyOf(device, conversation), after),
    mustNotHear: (device, conversation) => void cursors.delete(keyOf(device, conversation)),
    connected: (device) => ({
      device,
      last: new Map(),
      pending: [],
      byPacketId: new Map(),
      released: 0,
      isClosed: false,
    }),
    closed(connection) {
      connection.isClosed = true
    },
    delivered(connection, { conversation, seq, packetId, dup }) {
      const key = keyOf(connection.device, conversation)
      const last = connection.last.get(conversation)
      if (connection.isClosed) violations.push(`${key}: ${seq} after the connection was closed`)
      if (!cursors.has(key)) violations.push(`${key}: ${seq}, but it is no member`)
      if (last === undefined) checkFirst(key, seq)
      else checkNext(key, seq, last)
      if (dup && seq > (everSent.get(key) ?? 0))
        violations.push(`${key}: ${seq} is DUP, never sent`)
      connection.last.set(conversation, seq)
      everSent.set(key, Math.max(everSent.get(key) ?? 0, seq))
      connection.byPacketId.set(packetId, connection.released + connection.pending.length)
      connection.pending.push({ conversation, seq, isAcknowledged: false })
    },
    acknowledged(connection, packetId) {
      if (connection.isClosed) return
      const number = connection.byPacketId.get(packetId) ?? -1
      const sent = connection.pending[number - connection.released]
      if (sent === undefined) return
      sent.isAcknowledged = true
      while (connection.pending[0]?.isAcknowledged) {
        const { conversation, seq } = connection.pending.shift() as Pending
        connection.released++
        const key = keyOf(connection.device, conversation)
        const before = cursors.get(key)
        if (before !== undefined) cursors.set(key, Math.max(before, seq))
      }
    },
    allowRepetition() {
      isRepetitionAllowed = true
    },
    acked: (device, conversation) => cursors.get(keyOf(device, conversation)),
    mustBeAt({ device }, conversation, head) {
      const acked = cursors.get(keyOf(device, conversation))
      if (acked === undefined || acked === head) return undefined
      return `${device} ${conversation}: has ${acked} of ${head}`
    },
  }
}
