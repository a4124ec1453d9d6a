// A simulated publisher: it sends messages to its conversations, again on a new connection when one
// breaks, and knows what was acknowledged.

import type { AppendRequest } from '../../../services/log/log.ts'
import type { AppendResult, DevicePacket } from '../../../services/log/ports.ts'
import type { Random } from '../random.ts'
import type { Process } from './process.ts'
import type { Time } from './time.ts'

/** - `named`: has an id of its own.
 * - `packet`: has none, and came at QoS 2.
 * - `bare`: has none, and may be stored again when it is sent again. */
type Kind = 'named' | 'packet' | 'bare'

export interface Message {
  readonly from: string
  readonly conversation: string
  readonly kind: Kind
  /** The how many-th of its publisher. */
  readonly n: number
  timesSent: number
  /** Where it was acknowledged to stand. */
  seq: number | undefined
}

export interface Publisher {
  readonly messages: readonly Message[]
  /** Whether all that is to be sent was acknowledged. */
  isDone(): boolean
  /** Loses its connection, and makes another one. */
  move(): void
  /** The process its connection is to. */
  readonly process: Process
}

export interface PublisherParts {
  readonly name: string
  readonly conversations: readonly string[]
  readonly time: Time
  readonly random: Random
  /** A process that is alive. */
  readonly choose: () => Process
  /** How many messages it sends. */
  readonly count: number
}

const inFlightMax = 5

interface Connection {
  readonly process: Process
  /** Told that a message failed. */
  hasFailed: boolean
  /** Conversations it has sent something to. */
  readonly sentTo: Set<string>
}

export function makePublisher(parts: PublisherParts): Publisher {
  const { name, conversations, time, random, choose, count } = parts
  const messages: Message[] = []
  const unacknowledged: Message[] = []
  const connect = (): Connection => ({ process: choose(), hasFailed: false, sentTo: new Set() })
  let connection = connect()

  const acknowledged = (message: Message, seq: number) => {
    const place = unacknowledged.indexOf(message)
    if (place < 0) return
    unacknowledged.splice(place, 1)
    message.seq = seq
  }

  const send = (message: Message) => {
    const by = connection
    const { conversation } = message
    const isAgain = message.timesSent++ > 0
    // Some clients send again without DUP.
    const isDup = isAgain && random.chance(60)
    const mayBeStored = isDup || !by.sentTo.has(conversation)
    by.sentTo.add(conversation)
    by.process.append({
      ...contentOf(message),
      packet: packetOf(message, isDup),
      mayBeStored,
      isAbandoned: () => by.hasFailed,
      settled(result: AppendResult) {
        if (result.kind === 'failed') by.hasFailed = true
        if (connection !== by) return
        // Of a connection that has failed nothing more is heard.
        if (result.kind !== 'failed' && !by.hasFailed) return acknowledged(message, result.seq)
        time.at(random.below(50), () => {
          if (connection === by) move()
        })
      },
    } satisfies AppendRequest)
  }

  const move = () => {
    connection = connect()
    for (const message of unacknowledged) {
      if (connection.hasFailed) return
      send(message)
    }
  }

  const tick = () => {
    if (messages.length === count) return
    if (unacknowledged.length < inFlightMax && !connection.hasFailed) {
      const conversation = random.pick(conversations) ?? ''
      const kind = random.choose<Kind>('named', 'named', 'named', 'packet', 'bare')
      const place = { from: name, conversation, kind, n: messages.length }
      const message: Message = { ...place, timesSent: 0, seq: undefined }
      messages.push(message)
      unacknowledged.push(message)
      send(message)
    }
    // Now and then it has nothing to say.
    time.at(random.chance(5) ? random.below(150) : random.below(80) / 10, tick)
  }
  tick()

  return {
    messages,
    isDone: () => messages.length === count && unacknowledged.length === 0,
    move,
    get process() {
      return connection.process
    },
  }
}

function contentOf({ from, conversation, kind, n }: Message) {
  const messageId = kind === 'named' ? `m${n}` : undefined
  return { from, conversation, body: { kind: 'text', messageId, fields: `"n":${n}` } }
}

/** The number of a stored message among those of its publisher. */
export function numberOf(fields: string): number {
  return Number(fields.slice('"n":'.length))
}

function packetOf({ kind, n }: Message, isRepeat: boolean): DevicePacket | undefined {
  if (kind !== 'packet') return undefined
  return { device: 'phone', packetId: n + 1, isRepeat, fingerprint: n }
}
