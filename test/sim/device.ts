// A client device in a history: an honest MQTT client with a moody user. It keeps what was not
// acknowledged and sends it again, in order; it acknowledges at once, late, in bursts, in any order
// or not at all. Everything it sends and gets it tells the checker.

import type { DeliveryChecker, DeviceFacts, Kind, Watched } from './delivery-checker.ts'
import type { Line, LineEvents } from './line.ts'
import type { LogChecker, Publish, Unanswered } from './log-checker.ts'
import type { Random } from './random.ts'
import type { Received } from './wire.ts'
import {
  acknowledgementBytes,
  connectBytes,
  disconnectBytes,
  makeReader,
  pingBytes,
  publishBytes,
  readPublish,
  subscribeBytes,
  types,
  unsubscribeBytes,
} from './wire.ts'

export interface DeviceParts {
  readonly facts: DeviceFacts
  readonly keepalive: number
  readonly random: Random
  readonly log: LogChecker
  readonly deliveries: DeliveryChecker
  /** Opens a connection; undefined when the server takes none. */
  readonly open: (events: LineEvents) => Line | undefined
  readonly trace: (line: string) => void
  readonly report: (violation: string) => void
}

/** What a user wants to say. */
export interface Message extends Publish {
  readonly topic: string
  readonly payload: string
}

interface Pending {
  readonly message: Message
  readonly packetId: number
  /** Sent on some connection before. */
  wasSent: boolean
  /** PUBREC has come: what is left is PUBREL. */
  isReceived: boolean
}

/** `offline`: no connection. `connecting`: CONNECT is out. `online`: CONNACK has come. */
type DeviceState = 'offline' | 'connecting' | 'online'

interface Connection {
  readonly line: Line
  readonly watched: Watched
  readonly unanswered: Unanswered
  /** SUBSCRIBE and UNSUBSCRIBE that wait for their answer. */
  readonly requests: Map<number, () => void>
  /** Whether everything is sent without waiting for the CONNACK. */
  readonly isEager: boolean
}

const kinds: readonly Kind[] = ['d', 'g']
const outboxMax = 12

export class Device {
  readonly facts: DeviceFacts
  state: DeviceState = 'offline'
  /** Whether it takes bytes. */
  isStalled = false
  /** Whether it acknowledges as things come. */
  isPrompt = true
  wants: ReadonlySet<Kind> = new Set(kinds)
  readonly outbox: Pending[] = []
  readonly #parts: DeviceParts
  #connection: Connection | undefined
  /** Packet ids of deliveries that are not acknowledged, oldest first. */
  #owed: number[] = []
  /** Whether the server knows the device, as far as this can be known. */
  #isKnown = false

  constructor(parts: DeviceParts) {
    this.facts = parts.facts
    this.#parts = parts
  }

  /** Connects; a connection that it has is left behind, as one of a lost network is. */
  connect(isEager: boolean): void {
    const { facts, keepalive, deliveries, open } = this.#parts
    let connection: Connection | undefined
    const read = makeReader((packet) => this.#received(connection as Connection, packet))
    const line = open({
      received: (bytes) => {
        if (this.#connection === connection) read(bytes)
      },
      closed: () => this.#lost(connection),
    })
    this.#forget()
    if (line === undefined) return this.#note('is turned away')
    connection = {
      line,
      watched: deliveries.connecting(facts),
      unanswered: new Map(),
      requests: new Map(),
      isEager,
    }
    this.#connection = connection
    this.state = 'connecting'
    this.#note('connects')
    const [user, name = ''] = facts.name.split('/')
    line.send(connectBytes(user as string, name, { clean: facts.clean, keepalive }))
    if (isEager) this.#greet(connection)
  }

  /** Says something; nothing happens when it must not, or has too much unsaid. */
  publish(message: Message): boolean {
    if (message.qos === 0) {
      if (this.state !== 'online') return false
      this.#send(this.#connection as Connection, { message, packetId: 0 }, false)
      return true
    }
    if (this.outbox.length >= outboxMax) return false
    const pending = { message, packetId: this.#freeId(), wasSent: false, isReceived: false }
    this.outbox.push(pending)
    if (this.#connection !== undefined && this.#mayTalk()) {
      this.#sendPending(this.#connection, pending)
    }
    return true
  }

  subscribe(): void {
    this.wants = new Set(kinds)
    if (this.state === 'online') this.#subscribe(this.#connection as Connection)
  }

  unsubscribe(kind: Kind): void {
    if (this.state !== 'online') return
    const { deliveries, facts } = this.#parts
    this.wants = new Set([...this.wants].filter((it) => it !== kind))
    const connection = this.#connection as Connection
    const id = this.#request(connection, deliveries.unsubscribing(facts, kind))
    this.#note(`unsubscribes from ${kind}`)
    connection.line.send(unsubscribeBytes(id, this.#filters(kind)))
  }

  /** Acknowledges so many of the deliveries it owes an answer, oldest first or in any order. */
  acknowledge(count: number, inOrder = true): void {
    if (this.#connection === undefined) return
    const owed = inOrder ? this.#owed : this.#parts.random.shuffle(this.#owed)
    const now = owed.slice(0, count)
    this.#owed = this.#owed.filter((id) => !now.includes(id))
    for (const id of now) this.#acknowledge(this.#connection, id)
  }

  ping(): void {
    if (this.state === 'online') this.#connection?.line.send(pingBytes)
  }

  /** DISCONNECT, and the end of what it sends. */
  leave(): void {
    this.#note('leaves')
    this.#connection?.line.send(disconnectBytes)
    this.#connection?.line.end()
  }

  /** Ends its direction only, without a word. */
  end(): void {
    this.#note('ends its half')
    this.#connection?.line.end()
  }

  cut(): void {
    this.#note('is cut')
    this.#connection?.line.cut()
  }

  /** The network is gone; the server does not know. */
  vanish(): void {
    this.#note('vanishes')
    this.#connection?.line.vanish()
    this.#forget()
  }

  /** What it should have got, and has not. */
  missing(): readonly string[] {
    if (this.state !== 'online' || this.#connection === undefined) {
      return [`${this.facts.name} is not connected`]
    }
    const unanswered = this.outbox.map(
      ({ message }) => `${this.facts.name}: ${message.key} is not answered`,
    )
    return [...unanswered, ...this.#parts.deliveries.missing(this.#connection.watched)]
  }

  #note(what: string): void {
    this.#parts.trace(`${this.facts.name} ${what}`)
  }

  #lost(connection: Connection | undefined): void {
    if (connection === undefined || this.#connection !== connection) return
    this.#note('is closed')
    this.#forget()
  }

  #forget(): void {
    this.#connection = undefined
    this.#owed = []
    this.state = 'offline'
  }

  #mayTalk(): boolean {
    return this.state === 'online' || this.#connection?.isEager === true
  }

  #freeId(): number {
    const used = new Set(this.outbox.map(({ packetId }) => packetId))
    for (const id of this.#connection?.requests.keys() ?? []) used.add(id)
    // The lowest: an id that was just answered is used again at once.
    for (let id = 1; ; id++) if (!used.has(id)) return id
  }

  #request(connection: Connection, answered: () => void): number {
    const id = this.#freeId()
    connection.requests.set(id, answered)
    return id
  }

  /** What a client says first: its subscriptions, and what was not acknowledged. */
  #greet(connection: Connection): void {
    this.#subscribe(connection)
    for (const pending of this.outbox) this.#sendPending(connection, pending)
  }

  #filters(kind: Kind): readonly string[] {
    return kind === 'd' ? [`u/${this.facts.user}/#`] : ['g/+/#', 'g/+/msg']
  }

  #subscribe(connection: Connection): void {
    const wanted = kinds.filter((kind) => this.wants.has(kind))
    if (wanted.length === 0) return
    const { deliveries, facts } = this.#parts
    const answered = wanted.map((kind) => deliveries.subscribing(facts, kind))
    const id = this.#request(connection, () => {
      for (const answer of answered) answer()
    })
    const filters = wanted.flatMap((kind) => this.#filters(kind))
    this.#note(`subscribes to ${wanted}`)
    connection.line.send(subscribeBytes(id, filters, facts.qos))
  }

  #sendPending(connection: Connection, pending: Pending): void {
    if (pending.isReceived) {
      connection.line.send(acknowledgementBytes(types.pubrel, pending.packetId))
      return
    }
    this.#send(connection, pending, pending.wasSent)
    pending.wasSent = true
  }

  #send(
    connection: Connection,
    { message, packetId }: Pick<Pending, 'message' | 'packetId'>,
    dup: boolean,
  ): void {
    const { topic, payload, qos } = message
    this.#parts.log.sent(message, connection.unanswered)
    this.#note(`publishes ${message.key} to ${topic} QoS ${qos}${dup ? ' DUP' : ''} #${packetId}`)
    connection.line.send(publishBytes({ topic, payload, qos, dup, packetId }))
  }

  #acknowledge({ line, watched }: Connection, packetId: number): void {
    const delivered = watched.pending.get(packetId)
    this.#note(`acknowledges ${delivered?.conversation} ${delivered?.seq}`)
    this.#parts.deliveries.acknowledged(watched, packetId)
    line.send(acknowledgementBytes(types.puback, packetId))
  }

  #received(connection: Connection, packet: Received): void {
    const { type, body } = packet
    switch (type) {
      case types.connack:
        return this.#welcomed(connection, body)
      case types.publish:
        return this.#delivered(connection, packet)
      case types.puback:
      case types.pubrec:
        return this.#answered(connection, type, body.readUInt16BE(0))
      case types.pubcomp:
        return this.#released(body.readUInt16BE(0))
      case types.suback:
        if (body.subarray(2).some((code) => code > 1)) this.#wrong('a subscription is refused')
        return this.#answeredRequest(connection, body.readUInt16BE(0))
      case types.unsuback:
        return this.#answeredRequest(connection, body.readUInt16BE(0))
      case types.pingresp:
        return
      default:
        this.#wrong(`a packet of type ${type}`)
    }
  }

  #welcomed(connection: Connection, [present, code]: Buffer): void {
    const { deliveries, facts } = this.#parts
    // The server may be unable to answer now; anything else is wrong.
    if (code === 3) return this.#note('is refused')
    if (code !== 0) return this.#wrong(`CONNACK ${code}`)
    this.state = 'online'
    this.#note(`is online, session present ${present}`)
    if (facts.clean ? present !== 0 : this.#isKnown && present !== 1) {
      this.#wrong(`session present is ${present}`)
    }
    this.#isKnown = !facts.clean
    deliveries.connected(connection.watched)
    if (!connection.isEager) this.#greet(connection)
  }

  #delivered(connection: Connection, packet: Received): void {
    const { topic, qos, dup, packetId, payload } = readPublish(packet)
    const message = JSON.parse(payload) as Record<string, unknown>
    if (topic.endsWith('/error')) this.#refused(message)
    if (!topic.endsWith('/msg')) return
    const { conversation, seq } = message as { conversation: string; seq: number }
    const key = keyOf(String(message.text))
    this.#note(`gets ${conversation} ${seq} ${key}${dup ? ' DUP' : ''} #${packetId}`)
    const delivered = { conversation, seq, key, qos, dup, packetId }
    this.#parts.deliveries.delivered(connection.watched, delivered)
    if (qos === 0) return
    this.#owed.push(packetId)
    if (this.isPrompt) this.acknowledge(1)
  }

  /** Why a publish was refused; all of the user's devices are told. */
  #refused({ code, packetId, clientId }: Record<string, unknown>): void {
    if (`${this.facts.user}/${clientId}` !== this.facts.name) return
    this.#note(`hears that #${packetId} is refused: ${code}`)
    const pending = this.outbox.find((it) => it.packetId === packetId)
    if (pending) this.#parts.log.refused(pending.message, String(code))
  }

  #answered(connection: Connection, type: number, packetId: number): void {
    const pending = this.outbox.find((it) => it.packetId === packetId)
    const qos = type === types.puback ? 1 : 2
    if (pending === undefined || pending.message.qos !== qos || pending.isReceived) {
      return this.#wrong(`an answer of type ${type} to #${packetId}`)
    }
    this.#note(`has the answer to ${pending.message.key}`)
    this.#parts.log.acknowledged(pending.message, connection.unanswered)
    if (qos === 1) return void this.outbox.splice(this.outbox.indexOf(pending), 1)
    pending.isReceived = true
    connection.line.send(acknowledgementBytes(types.pubrel, packetId))
  }

  #released(packetId: number): void {
    const index = this.outbox.findIndex((it) => it.packetId === packetId && it.isReceived)
    if (index < 0) this.#wrong(`a PUBCOMP of #${packetId}`)
    else this.outbox.splice(index, 1)
  }

  #answeredRequest(connection: Connection, packetId: number): void {
    const answered = connection.requests.get(packetId)
    connection.requests.delete(packetId)
    if (answered === undefined) return this.#wrong(`an answer to request #${packetId}`)
    this.#note('has the answer to its request')
    answered()
  }

  #wrong(what: string): void {
    this.#parts.report(`${this.facts.name} gets ${what}`)
  }
}

/** The key of a message, which is the first word of its text. */
export function keyOf(text: string): string {
  return text.split(' ')[0] as string
}
