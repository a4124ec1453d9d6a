// A device as aedes knows it: from its introduction until aedes has let go of it. aedes is given
// whole packets, and what it says goes to the device, but for what the edge answers itself.

import type { ISubscribePacket, IUnsubscribePacket } from 'mqtt-packet'
import mqtt from 'mqtt-packet'
import { AedesStream } from './edge/aedes-stream.ts'
import type { Will } from './edge/client-packets.ts'
import type { Frame } from './edge/framer.ts'
import { packetType } from './edge/packets.ts'
import { GrantedFilters } from './granted-filters.ts'
import { PacketIds } from './packet-ids.ts'

/** A filter with its granted QoS. */
interface PlainSubscription {
  readonly filter: string
  readonly qos: 0 | 1 | 2
}

/** Who is introduced to aedes. */
export interface Introduction {
  readonly clientId: string
  readonly clean: boolean
  readonly will?: Will | undefined
  /** What the device is known to be subscribed to, also if aedes has forgotten it. */
  readonly subscriptions: readonly PlainSubscription[]
  /** The first of the packet ids that messages to the device have. */
  readonly firstId: number
  /** Whether only aedes knows the device: its subscriptions are those of the persistence. */
  readonly isAlone: boolean
  /** aedes knows the device, and has sent it nothing yet. */
  connected?(isPresent: boolean): void
  mayPublish(topic: string): boolean
  /** Whether the device may subscribe to the filter, or hear of the topic. */
  maySubscribe(filter: string): boolean
}

/** The device's connection, as its client in aedes sees it. */
export interface PlainLink {
  write(packet: Buffer): void
  /** aedes ended the connection. */
  closed(): void
  /** Another connection of the same client id is introduced. */
  takenOver(): void
  /** aedes takes packets again, after `give` said that it has enough. */
  wanted(): void
  /** Bytes written that the socket has not taken yet. */
  unsentBytes(): number
  /** Ends the connection at once. */
  cut(reason: string): void
}

interface PlainClientOptions {
  /** What the device may leave untaken, bytes. */
  readonly unsentBytesMax: number
  /** Whether what waited for the device is being sent. */
  isDraining(): boolean
}

const disconnect = Buffer.from([packetType.disconnect << 4, 0])

export class PlainClient {
  readonly introduction: Introduction
  readonly link: PlainLink
  readonly stream: AedesStream
  /** Resolves when aedes takes packets, or has closed. */
  readonly ready: Promise<void>
  /** Resolves when aedes has let go of the client. */
  readonly gone: Promise<void>
  isReady = false
  /** Whether there is a session that goes on [MQTT-3.2.2-2]. */
  isPresent = false
  readonly granted = new GrantedFilters()
  readonly ids: PacketIds
  readonly #unsentBytesMax: number
  /** The packet that made the introduction necessary; nothing more is read until `ready`. */
  readonly #early: Buffer[] = []
  /** Whether the last packet of aedes was a retained message. */
  #isRetained = false
  #becomeReady: () => void = ignore
  #go: () => void = ignore
  #answered: () => void = ignore

  constructor(introduction: Introduction, link: PlainLink, options: PlainClientOptions) {
    const { unsentBytesMax, isDraining } = options
    this.introduction = introduction
    this.link = link
    this.ids = new PacketIds(introduction.firstId)
    this.#unsentBytesMax = unsentBytesMax
    this.ready = new Promise((resolve) => {
      this.#becomeReady = resolve
    })
    this.gone = new Promise((resolve) => {
      this.#go = resolve
    })
    this.stream = new AedesStream({
      packet: (frame) => this.#heard(frame),
      closed: () => {
        if (!this.isReady) this.left()
        this.#answered()
        link.closed()
      },
      wanted: () => link.wanted(),
      isStalled: () =>
        (this.#isRetained || isDraining()) && link.unsentBytes() * 2 > unsentBytesMax,
    })
  }

  /** Says who it is. */
  connect(): void {
    const { clientId, clean, will } = this.introduction
    this.stream.give(
      mqtt.generate({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clientId,
        clean,
        // Silence is watched by the edge.
        keepalive: 0,
        ...(will === undefined ? {} : { will: { ...will, properties: {} } }),
      }),
    )
  }

  /** aedes has answered the introduction. */
  connected(): void {
    if (this.isReady) return
    this.isReady = true
    for (const packet of this.#early.splice(0)) this.#pass(packet)
    this.#becomeReady()
  }

  /** aedes has let go of the client. */
  left(): void {
    this.connected()
    this.#go()
  }

  /** Gives a packet of the device to aedes, once it is ready: sooner it would be lost if the device
   * left meanwhile. False when aedes has enough for now. */
  give(packet: Buffer): boolean {
    if (this.isReady) return this.#pass(packet)
    this.#early.push(packet)
    return true
  }

  #pass(packet: Buffer): boolean {
    const type = (packet[0] as number) >> 4
    if (type === packetType.puback || type === packetType.pubcomp) {
      this.ids.release(packet.readUInt16BE(2))
    }
    return this.stream.give(packet)
  }

  /** SUBSCRIBE or UNSUBSCRIBE, one at a time; resolves when aedes has answered, or has closed. */
  change(packet: ISubscribePacket | IUnsubscribePacket): Promise<void> {
    return new Promise((resolve) => {
      this.#answered = resolve
      if (this.stream.destroyed) resolve()
      else this.give(mqtt.generate(packet))
    })
  }

  /** Leaves aedes once it has read what it was given: with DISCONNECT, or so that the will is
   * published [MQTT-3.1.2-8, MQTT-3.14.4-3]. */
  leave(hasDisconnected: boolean): void {
    const leave = () => {
      if (hasDisconnected) this.stream.give(disconnect)
      this.stream.finish()
    }
    if (this.isReady) leave()
    else void this.ready.then(leave)
  }

  /** Whether a new message may go to the device now. One who reads too slowly loses messages of
   * QoS 0; at a higher QoS it is cut, and a durable one finds them in its queue. Publishers do not
   * wait: aedes does only while it sends what was retained or queued, as fast as it is taken. */
  hasRoomFor(qos: number): boolean {
    if (qos === 0 && this.stream.isHeld()) return false
    if (this.link.unsentBytes() + this.stream.writableLength < this.#unsentBytesMax) return true
    if (qos > 0) this.link.cut('the client reads plain topics too slowly')
    return qos > 0
  }

  /** Whether there is a packet id for a new message; a device that leaves all of them unanswered is
   * cut. */
  hasIdFor(qos: number): boolean {
    if (qos === 0 || !this.ids.isFull()) return true
    this.link.cut('the client acknowledges nothing')
    return false
  }

  #heard({ header, buffer, first, end }: Frame): void {
    const type = header >> 4
    this.#isRetained = type === packetType.publish && (header & 1) === 1
    if (type === packetType.suback || type === packetType.unsuback) return this.#answered()
    if (type === packetType.connack) return this.introduction.connected?.(this.isPresent)
    this.link.write(Buffer.from(buffer.subarray(first, end)))
  }
}

function ignore(): void {}
