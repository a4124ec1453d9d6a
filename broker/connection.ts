// One client's connection: reads packets one after the other, in order, and gives each to the
// handler of its kind. It stops reading while something before must be finished first, or while
// the client does not take what is written to it. Rules live in the services, not here.

import type { Duplex } from 'node:stream'
import type { ReasonCode } from '../protocol/reasons.ts'
import { reasonCode } from '../protocol/reasons.ts'
import type { Delivery, Link } from '../services/delivery/delivery.ts'
import type { Quota } from '../services/delivery/quota.ts'
import type { Member } from '../services/delivery/room.ts'
import type { Session } from '../services/delivery/session.ts'
import type { BrokerContext, Identity } from './context.ts'
import { countUp } from './counts.ts'
import { encodeFor } from './deliver.ts'
import { encodeForLevel5, encodeNotice, sizeForLevel5 } from './deliver-level5.ts'
import type { Certified } from './doors/certified.ts'
import { FatalPacket } from './edge/fatal-packet.ts'
import type { Frame } from './edge/framer.ts'
import { Framer } from './edge/framer.ts'
import type { Outbox } from './edge/outbox.ts'
import { packetType, writeDisconnect, writePublish } from './edge/packets.ts'
import type { Properties } from './edge/properties.ts'
import type { Level } from './edge/reader.ts'
import type { Flow } from './flow.ts'
import { PublishLine } from './pending-publish.ts'
import type { PlainClient } from './plain/client.ts'
import type { PublishRecords } from './retransmissions.ts'
import type { Terms } from './terms.ts'
import { anyTerms, explained } from './terms.ts'

/** `awaitingConnect`: nothing but CONNECT is accepted. `connecting`: CONNECT is being answered.
 * `open`: the client is connected. `closing`: nothing more is read, what was written is on its way.
 * `closed`: the socket is gone. */
export type ConnectionState = 'awaitingConnect' | 'connecting' | 'open' | 'closing' | 'closed'

const holdBit = {
  answer: 1,
  route: 2,
  repeat: 4,
  refusal: 8,
  inFlight: 16,
  log: 32,
  introduction: 64,
  aedes: 128,
  unsent: 256,
  shutdown: 512,
  pace: 1024,
} as const

/** Why reading waits. Several may hold at once. */
export type Hold = keyof typeof holdBit
const holdReasons = Object.keys(holdBit) as readonly Hold[]

/** How a client came. */
export type Transport = 'tcp' | 'websocket'

/** `storing`: the PUBREC will come. `received`: it was sent. `remembered`: the message was stored
 * on an earlier connection of the device. */
type ReceivedQos2 = 'storing' | 'received' | 'remembered'

/** Handles one packet of the client. */
export type PacketHandler = (connection: Connection, frame: Frame) => void

const lingerMs = 1000

export class Connection implements Link {
  state: ConnectionState = 'awaitingConnect'
  readonly context: BrokerContext
  /** The client's address, for the log. */
  readonly peer: string
  /** What the client speaks; known from its CONNECT on. */
  level: Level = 4
  /** What it can take. */
  terms: Terms = anyTerms
  /** What is counted for a client of level 5; undefined for the others. */
  flow: Flow | undefined
  readonly transport: Transport
  /** A token that came with the WebSocket upgrade. */
  readonly offeredToken: string | undefined
  /** What the client's certificate says, if it has shown one. */
  readonly certified: Certified | undefined
  identity: Identity | undefined
  session: Session | undefined
  /** The device as aedes knows it; undefined as long as it needs no aedes. */
  plain: PlainClient | undefined
  /** Whether its will is to be published when it ends: since it was accepted, and until it says
   * DISCONNECT [MQTT-3.1.2-8, MQTT-3.14.4-3]. */
  owesWill = false
  /** Longest silence the client may keep, ms; 0 for any [MQTT-3.1.2-24]. */
  silenceMsMax = 0
  /** Publishes that wait for their commit. */
  inFlight = 0
  /** The publishes among them, in their order. */
  readonly publishes = new PublishLine()
  /** A publish of this connection was given up: none that came after it may be stored, because the
   * client will send them all again, in order. */
  hasFailed = false
  /** What the device published lately; from its first recorded publish on. */
  records: PublishRecords | undefined
  /** Packet id of the newest delivery at QoS 1; 0 before there is one. */
  lastDelivered = 0
  /** In rounds of the timekeeper: when the connection was made, and when it was last heard of. */
  readonly openedInRound: number
  heardInRound: number
  /** The round it is; shared by all connections. */
  readonly round: () => number
  readonly #socket: Duplex
  readonly #outbox: Outbox
  readonly #framer: Framer
  readonly #handle: PacketHandler
  readonly #accepted: () => void
  readonly #pace: (() => number) | undefined
  /** Bits of the holds there are. */
  #holds = 0
  #whenIdle: (() => void) | undefined
  #inputEnded = false
  // Made at their first use: most clients of an idle server never have one.
  #receivedQos2: Map<number, ReceivedQos2> | undefined
  #routes: Map<string, Member> | undefined

  constructor(parts: {
    readonly context: BrokerContext
    readonly socket: Duplex
    readonly peer: string
    readonly transport: Transport
    readonly offeredToken: string | undefined
    readonly certified?: Certified | undefined
    readonly handle: PacketHandler
    /** Called when the client is connected. */
    readonly accepted: () => void
    readonly round: () => number
    /** Called for each PUBLISH: how long the next must wait, ms. Absent without such a limit. */
    readonly pace?: (() => number) | undefined
  }) {
    this.context = parts.context
    this.peer = parts.peer
    this.transport = parts.transport
    this.offeredToken = parts.offeredToken
    this.certified = parts.certified
    this.round = parts.round
    this.openedInRound = parts.round()
    this.heardInRound = this.openedInRound
    this.#handle = parts.handle
    this.#accepted = parts.accepted
    this.#pace = parts.pace
    this.#framer = new Framer(parts.context.limits.preConnectBytesMax)
    this.#socket = parts.socket
    this.#outbox = parts.context.postman.outbox(parts.socket, () => this.#drained())
    this.#listen()
  }

  get quota(): Quota | undefined {
    return this.flow?.quota
  }

  /** What is too large for a client must not be sent to it [MQTT5-3.1.2-24]. */
  takes(delivery: Delivery, qos: 0 | 1): boolean {
    const { session, flow, terms } = this
    if (terms.packetBytesMax === Number.POSITIVE_INFINITY) return true
    if (session === undefined || flow === undefined) return true
    return sizeForLevel5(delivery, { session, flow }, qos) <= terms.packetBytesMax
  }

  /** QoS 2 packet ids between PUBLISH and PUBREL. */
  get receivedQos2(): Map<number, ReceivedQos2> {
    this.#receivedQos2 ??= new Map()
    return this.#receivedQos2
  }

  /** Routes of topics this client published to. */
  get routes(): Map<string, Member> {
    this.#routes ??= new Map()
    return this.#routes
  }

  #listen(): void {
    const socket = this.#socket
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('drain', () => this.#drained())
    socket.on('end', () => {
      this.#inputEnded = true
      this.#pump()
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#gone())
  }

  /** Accepts packets of the size that connected clients may send. */
  opened(): void {
    this.state = 'open'
    this.context.counts.connectsAccepted++
    this.#accepted()
    this.#framer.packetBytesMax = this.context.limits.packetBytesMax
  }

  /** Stops reading until `release` of the same reason. */
  hold(reason: Hold): void {
    this.#holds |= holdBit[reason]
    this.#socket.pause()
  }

  release(reason: Hold): void {
    if ((this.#holds & holdBit[reason]) === 0) return
    this.#holds &= ~holdBit[reason]
    if (this.#holds === 0) this.#pump()
  }

  /** Runs the work once no publish of this connection waits for its commit; reading waits too.
   * Keeps answers in the order of what they answer. */
  whenNothingInFlight(work: () => void): void {
    if (this.inFlight === 0) return work()
    this.hold('refusal')
    this.#whenIdle = work
  }

  /** A publish of this connection was answered. */
  settledOne(): void {
    this.inFlight--
    if (this.inFlight * 2 <= this.context.limits.publishesInFlightMax) this.release('inFlight')
    if (this.inFlight > 0 || this.#whenIdle === undefined) return
    const work = this.#whenIdle
    this.#whenIdle = undefined
    work()
    this.release('refusal')
  }

  write(packet: Buffer): void {
    if (this.state === 'closed' || this.state === 'closing') return
    if (packet.length <= this.terms.packetBytesMax) return this.#outbox.write(packet)
    this.close('an answer is larger than the client takes', reasonCode.packetTooLarge)
  }

  /** Ends the connection after what was written to it has been sent. A client of level 5 is told
   * why, unless it is its own wish. */
  close(reason: string, code: ReasonCode = reasonCode.success): void {
    if (this.state === 'closing' || this.state === 'closed') return
    if (this.level === 5 && this.state === 'open' && code !== reasonCode.success) {
      const write = (properties: Properties) => writeDisconnect(code, properties)
      this.#outbox.write(explained(this.terms, { reasonString: reason }, write))
    }
    this.context.logger.debug({ peer: this.peer, user: this.identity?.user, reason }, 'closing')
    this.#outbox.flush()
    this.state = 'closing'
    this.#framer.drop()
    this.#leave()
    this.#socket.end()
    // Goes on reading, so that the peer sees the last packet before a reset, but not for long.
    this.#socket.resume()
    setTimeout(() => this.#socket.destroy(), lingerMs).unref()
  }

  /** Ends the connection because a publish of it could not be stored. */
  fail(reason: string): void {
    this.hasFailed = true
    this.close(reason, reasonCode.serverBusy)
  }

  /** Ends the connection at once. */
  destroy(reason: string): void {
    this.context.logger.debug({ peer: this.peer, user: this.identity?.user, reason }, 'cutting')
    this.#socket.destroy()
  }

  deliver(delivery: Delivery, packetId: number, dup: boolean): void {
    const { session } = this
    if (session === undefined || this.state !== 'open') return
    const { flow } = this
    const qos = packetId === 0 ? 0 : 1
    const packet =
      flow === undefined
        ? encodeFor(delivery, session.user, qos)
        : encodeForLevel5(delivery, { session, flow }, qos)
    this.context.counts.chatDelivered++
    if (packetId === 0) return this.#outbox.write(packet)
    this.lastDelivered = packetId
    this.#outbox.writePublish(packet, packetId, dup)
  }

  notify(topic: string, payload: string): void {
    const { session, flow } = this
    if (flow === undefined) return this.write(writePublish(topic, payload, 0))
    if (session === undefined) return
    const { packetBytesMax } = this.terms
    const packet = encodeNotice({ session, flow }, { topic, payload }, packetBytesMax)
    // One that is too large is lost, as at QoS 0 it may be [MQTT5-3.1.2-25].
    if (packet !== undefined) this.write(packet)
  }

  unsentBytes(): number {
    return this.#outbox.unsentBytes()
  }

  takenOver(): void {
    this.close('another connection of the device took its place', reasonCode.sessionTakenOver)
  }

  /** Resolves when the socket is gone. */
  closed(): Promise<void> {
    if (this.#socket.closed) return Promise.resolve()
    return new Promise((resolve) => this.#socket.once('close', () => resolve()))
  }

  /** Whether something keeps this connection from being read. */
  isHeld(): boolean {
    return this.#holds !== 0
  }

  /** Why this connection is not read. */
  holds(): readonly Hold[] {
    if (this.#holds === 0) return []
    return holdReasons.filter((reason) => (this.#holds & holdBit[reason]) !== 0)
  }

  /** Bytes the socket has taken so far. */
  takenBytes(): number {
    return this.#outbox.takenBytes()
  }

  /** Whether the socket has more to send than it takes. */
  isStalled(): boolean {
    return this.#socket.writableNeedDrain
  }

  #received(chunk: Buffer): void {
    this.heardInRound = this.round()
    this.context.counts.bytesReceived += chunk.length
    if (this.state === 'closing' || this.state === 'closed') return
    this.#framer.push(chunk)
    this.#pump()
  }

  /** The socket takes more. */
  #drained(): void {
    this.release('unsent')
    this.plain?.stream.drained()
    this.session?.drained()
  }

  /** Handles packets until there is none, or something holds. */
  #pump(): void {
    const { packetsReceived } = this.context.counts
    try {
      while (this.#holds === 0 && this.state !== 'closing' && this.state !== 'closed') {
        // A client that does not take its answers is not read: its answers would pile up.
        if (this.isStalled()) return this.hold('unsent')
        if (!this.context.log.hasRoom()) return this.#waitForLog()
        const frame = this.#framer.next()
        if (frame === undefined) return this.#starved()
        const type = frame.header >> 4
        packetsReceived[type] = (packetsReceived[type] as number) + 1
        if (this.#pace !== undefined) this.#keepPace(frame.header, this.#pace)
        this.#handle(this, frame)
      }
    } catch (error) {
      if (!(error instanceof FatalPacket)) throw error
      countUp(this.context.counts.protocolErrors, error.reason)
      this.close(error.message, error.reason)
    }
  }

  /** Who publishes too quickly is not read for a while; nothing is lost. */
  #keepPace(header: number, pace: () => number): void {
    const waitMs = header >> 4 === packetType.publish ? pace() : 0
    if (waitMs === 0) return
    this.hold('pace')
    setTimeout(() => this.release('pace'), waitMs).unref()
  }

  #waitForLog(): void {
    this.hold('log')
    this.context.log.onRoom(() => this.release('log'))
  }

  #starved(): void {
    if (this.#inputEnded) this.close('the client closed the connection')
    else if (this.#socket.isPaused()) this.#socket.resume()
  }

  #gone(): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.#leave()
  }

  /** Leaves session and aedes, once. */
  #leave(): void {
    const { session, plain, context } = this
    this.session = undefined
    this.plain = undefined
    if (plain !== undefined && session !== undefined) plain.lastsMs = session.lastsMs()
    plain?.leave(this.owesWill)
    if (session === undefined) return
    this.records?.disconnected(this.openedInRound, this.heardInRound)
    context.engine.detach(session).catch((err: unknown) => {
      context.logger.warn({ err, user: session.user }, 'a session was not closed properly')
    })
  }
}
