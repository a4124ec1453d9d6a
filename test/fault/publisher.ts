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
  /** Makes one message to the topic; does nothing when as many as may be are in flight. */
  publish(topic: string): void
  acknowledged(): number
  inFlight(): number
  /** Longest time from the first sending of a message to its PUBACK, over reconnects. */
  longestWaitMs(): number
  /** Undefined before the first `connect`. */
  client(): WireClient | undefined
}

export interface PublisherOptions {
  readonly user: string
  readonly token: string
  /** Topics it publishes to, in turn, while it writes. */
  readonly topics: readonly string[]
  readonly inFlightMax: number
  /** Appended to each text, to make messages larger. */
  readonly padding?: string
}

interface Outgoing extends SentMessage {
  readonly topic: string
  readonly madeAt: number
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
  let longestWaitMs = 0
  let client: WireClient | undefined

  const inFlight = () => messages.length - oldest

  const fill = () => {
    if (client === undefined) return
    const packets: Packet[] = []
    while (writing && inFlight() < options.inFlightMax) {
      packets.push(make(topics[messages.length % topics.length] as string))
    }
    client.send(packets)
  }

  const make = (topic: string): Packet => {
    const number = messages.length
    const text = `message ${number} of ${user}${padding}`
    const conversation = conversationOf(user, topic)
    const id = `${user}-${number}`
    messages.push({ topic, conversation, id, text, madeAt: Date.now(), isAcknowledged: false })
    return packetOf(number, false)
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
        longestWaitMs = Math.max(longestWaitMs, Date.now() - message.madeAt)
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
    publish(topic) {
      if (inFlight() < options.inFlightMax) client?.send([make(topic)])
    },
    acknowledged: () => oldest,
    inFlight,
    longestWaitMs: () => longestWaitMs,
    client: () => client,
  }
}

function packetIdOf(index: number): number {
  return (index % packetIdsMax) + 1
}
