// A publisher that behaves as MQTT asks: several messages in flight, each with its own id, and
// after a reconnect everything unacknowledged again, first and in order. Keeps what it sent.

import type { IPublishPacket, Packet } from 'mqtt-packet'
import type { Publications, SentMessage } from './checker.ts'
import { conversationOf } from './server-program.ts'
import { connectWire, type WireClient } from './wire-client.ts'

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

export interface Publisher {
  readonly publications: Publications
  /** PUBACKs that came out of order, or for nothing. */
  readonly problems: readonly string[]
  /** Connects, sends again what was not acknowledged, and goes on. */
  connect(port: number): Promise<void>
  /** Whether new messages are made, as fast as the window allows. */
  write(on: boolean): void
  acknowledged(): number
  inFlight(): number
  /** Undefined before the first `connect`. */
  client(): WireClient | undefined
}

export interface PublisherOptions {
  readonly user: string
  readonly token: string
  /** Topics it publishes to, in turn. */
  readonly topics: readonly string[]
  readonly inFlightMax: number
  /** Appended to each text, to make messages larger. */
  readonly padding?: string
}

interface Outgoing extends SentMessage {
  readonly topic: string
  isAcknowledged: boolean
}

const packetIdsMax = 65_535

export function makePublisher(t: Owner, options: PublisherOptions): Publisher {
  const { user, topics, padding = '' } = options
  const messages: Outgoing[] = []
  const problems: string[] = []
  /** Index of the oldest unacknowledged message. */
  let oldest = 0
  let writing = false
  let client: WireClient | undefined

  const inFlight = () => messages.length - oldest

  const fill = () => {
    if (client === undefined) return
    const packets: Packet[] = []
    while (writing && inFlight() < options.inFlightMax) {
      const number = messages.length
      const topic = topics[number % topics.length] as string
      const text = `message ${number} of ${user}${padding}`
      const conversation = conversationOf(user, topic)
      messages.push({ topic, conversation, id: `${user}-${number}`, text, isAcknowledged: false })
      packets.push(packetOf(number, false))
    }
    client.send(packets)
  }

  const packetOf = (index: number, dup: boolean): IPublishPacket => {
    const { topic, id, text } = messages[index] as Outgoing
    const payload = JSON.stringify({ id, text })
    return {
      cmd: 'publish',
      messageId: packetIdOf(index),
      topic,
      payload,
      qos: 1,
      dup,
      retain: false,
    }
  }

  const heard = (packets: readonly Packet[]) => {
    for (const packet of packets) {
      const message = messages[oldest]
      const expected = message && packetIdOf(oldest)
      if (packet.cmd !== 'puback' || packet.messageId !== expected) {
        problems.push(`${user} got ${packet.cmd} ${packet.messageId} instead of PUBACK ${expected}`)
      } else if (message !== undefined) {
        message.isAcknowledged = true
        oldest++
      }
    }
    fill()
  }

  return {
    publications: { from: user, messages },
    problems,
    async connect(port) {
      client = undefined
      let mine: WireClient | undefined
      // What an earlier connection still brings is too late: its messages are sent again.
      const hear = (packets: readonly Packet[]) => {
        if (client === mine) heard(packets)
      }
      const connection = { port, user, token: options.token, device: 'writer', heard: hear }
      mine = await connectWire(t, connection)
      client = mine
      client.send(messages.slice(oldest).map((_, index) => packetOf(oldest + index, true)))
      fill()
    },
    write(on) {
      writing = on
      fill()
    },
    acknowledged: () => oldest,
    inFlight,
    client: () => client,
  }
}

function packetIdOf(index: number): number {
  return (index % packetIdsMax) + 1
}
