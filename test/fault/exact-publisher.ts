// A publisher at QoS 2 whose messages have no id. It takes the lowest free packet id, as several
// client libraries do, and after a reconnect goes on where it was: PUBLISH again, or PUBREL again.

import type { Packet } from 'mqtt-packet'
import { connectWire, type WireClient } from './wire-client.ts'

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

export interface ExactPublisherOptions {
  readonly user: string
  readonly token: string
  readonly topic: string
  readonly inFlightMax: number
  /** The text of its message number n. */
  readonly textOf: (n: number) => string
  /** Whether DUP is set on what is sent again; there are clients that do not. */
  readonly setsDup: boolean
}

export interface ExactPublisher {
  readonly user: string
  readonly topic: string
  /** What it sent, in order. */
  readonly texts: readonly string[]
  /** Answers that answer nothing. */
  readonly problems: readonly string[]
  connect(port: number): Promise<void>
  /** Whether new messages are made, as fast as the window allows. */
  write(on: boolean): void
  /** Makes one message; does nothing when as many as may be are in flight. */
  publish(): void
  completed(): number
  inFlight(): number
  client(): WireClient | undefined
}

interface Outgoing {
  readonly text: string
  readonly packetId: number
  /** What it waits for. */
  state: 'pubrec' | 'pubcomp'
}

export function makeExactPublisher(t: Owner, options: ExactPublisherOptions): ExactPublisher {
  const { user, token, topic, inFlightMax, textOf, setsDup } = options
  const texts: string[] = []
  const problems: string[] = []
  /** In the order in which they were sent. */
  const outgoing = new Map<number, Outgoing>()
  let completed = 0
  let writing = false
  let client: WireClient | undefined

  const lowestFree = (): number => {
    let id = 1
    while (outgoing.has(id)) id++
    return id
  }

  const packetOf = ({ text, packetId, state }: Outgoing, again: boolean): Packet =>
    state === 'pubcomp'
      ? { cmd: 'pubrel', messageId: packetId }
      : {
          cmd: 'publish',
          messageId: packetId,
          topic,
          payload: text,
          qos: 2,
          dup: again && setsDup,
          retain: false,
        }

  const fill = () => {
    if (client === undefined) return
    const packets: Packet[] = []
    while (writing && outgoing.size < inFlightMax) packets.push(make())
    client.send(packets)
  }

  const make = (): Packet => {
    const text = textOf(texts.length)
    const message: Outgoing = { text, packetId: lowestFree(), state: 'pubrec' }
    texts.push(text)
    outgoing.set(message.packetId, message)
    return packetOf(message, false)
  }

  const hear = (packet: Packet) => {
    const id = packet.messageId ?? 0
    const message = outgoing.get(id)
    if (packet.cmd === 'pubrec' && message?.state === 'pubrec') {
      message.state = 'pubcomp'
      client?.send([packetOf(message, false)])
    } else if (packet.cmd === 'pubcomp' && message?.state === 'pubcomp') {
      outgoing.delete(id)
      completed++
    } else {
      problems.push(`${user} got ${packet.cmd} ${id} while it waits for ${message?.state}`)
    }
  }

  return {
    user,
    topic,
    texts,
    problems,
    async connect(port) {
      client = undefined
      let mine: WireClient | undefined
      const heard = (packets: readonly Packet[]) => {
        if (client !== mine) return
        for (const packet of packets) hear(packet)
        fill()
      }
      mine = await connectWire(t, { port, user, token, device: 'exact', heard })
      client = mine
      client.send([...outgoing.values()].map((message) => packetOf(message, true)))
      fill()
    },
    write(on) {
      writing = on
      fill()
    },
    publish() {
      if (outgoing.size < inFlightMax) client?.send([make()])
    },
    completed: () => completed,
    inFlight: () => outgoing.size,
    client: () => client,
  }
}
