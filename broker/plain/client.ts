// A device as aedes knows it: from its introduction until aedes has let go of it. aedes is given
// whole packets, and what it says goes to the device, but for what the edge answers itself.

import type { ISubscribePacket, ISubscription, IUnsubscribePacket } from 'mqtt-packet'
import mqtt from 'mqtt-packet'
import type { Subscription, SubscriptionOptions } from '../../services/delivery/ports.ts'
import type { Quota } from '../../services/delivery/quota.ts'
import type { Will } from '../edge/client-packets.ts'
import type { Frame } from '../edge/framer.ts'
import { packetType, readReasonCode, writeAcknowledgement } from '../edge/packets.ts'
import type { Level } from '../edge/reader.ts'
import { variableInteger } from '../edge/variable-integer.ts'
import { AedesStream } from './aedes-stream.ts'
import { Flight } from './flight.ts'
import { GrantedFilters } from './granted-filters.ts'
import { PacketIds } from './packet-ids.ts'

/** A filter of a SUBSCRIBE. */
export interface PlainRequest extends Subscription {
  /** Whether retained messages that match it are sent. */
  readonly wantsRetained: boolean
}

/** A subscription as aedes and its persistence have it. */
export interface KeptSubscription extends SubscriptionKeys {
  readonly topic: string
  readonly qos: 0 | 1 | 2
}

interface SubscriptionKeys {
  readonly nl?: boolean | undefined
  readonly rap?: boolean | undefined
  readonly subscriptionIdentifier?: number | undefined
}

/** Who is introduced to aedes. */
export interface Introduction {
  readonly clientId: string
  readonly level: Level
  /** Whether aedes keeps nothing of it, before its connection or after. */
  readonly clean: boolean
  /** Whether nothing of an earlier session counts; `clean` implies it. */
  readonly startsClean: boolean
  /** How long its session lasts when its connection has ended, ms. */
  readonly lastsMs: number
  readonly will?: Will | undefined
  /** What the device is known to be subscribed to, also if aedes has forgotten it. */
  readonly subscriptions: readonly Subscription[]
  /** The first of the packet ids that messages to the device have. */
  readonly firstId: number
  /** Whether only aedes knows the device: its subscriptions are those of the persistence. */
  readonly isAlone: boolean
  /** Largest packet the device takes, bytes. */
  readonly packetBytesMax: number
  /** How many messages the device takes at once, if there is a bound. */
  readonly quota: Quota | undefined
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
  readonly now: () => number
  /** What the device may leave untaken, bytes. */
  readonly unsentBytesMax: number
  /** Whether what waited for the device is being sent. */
  isDraining(): boolean
  /** Publishes the will after `ms`, if the device is not back by then. */
  delayWill(ms: number): void
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
  /** How long its session lasts when its connection has ended, ms. */
  lastsMs: number
  readonly granted = new GrantedFilters()
  readonly ids: PacketIds
  readonly #unsentBytesMax: number
  readonly #delayWill: (ms: number) => void
  /** The packet that made the introduction necessary; nothing more is read until `ready`. */
  readonly #early: Buffer[] = []
  /** Filters of the SUBSCRIBE that aedes answers. */
  #asked: ReadonlyMap<string, PlainRequest> = new Map()
  #kept: { readonly of: unknown; readonly are: readonly KeptSubscription[] } | undefined
  readonly #flight: Flight | undefined
  /** Retained messages that aedes is about to write. */
  #retainedComing = 0
  /** Whether the last packet of aedes was a retained message. */
  #isRetained = false
  #becomeReady: () => void = ignore
  #go: () => void = ignore
  #answered: () => void = ignore

  constructor(introduction: Introduction, link: PlainLink, options: PlainClientOptions) {
    const { unsentBytesMax, isDraining, now, delayWill } = options
    const { quota } = introduction
    this.introduction = introduction
    this.link = link
    this.lastsMs = introduction.lastsMs
    this.ids = new PacketIds(introduction.firstId)
    this.#unsentBytesMax = unsentBytesMax
    this.#delayWill = delayWill
    this.#flight =
      quota &&
      new Flight({
        quota,
        now,
        write: (packet) => link.write(packet),
        discard: (packetId) => this.#discard(packetId),
      })
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
    const { clientId, clean } = this.introduction
    this.stream.give(
      mqtt.generate({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clientId,
        clean,
        // Silence is watched by the edge.
        keepalive: 0,
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
    this.#flight?.close()
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

  /** A PUBACK, PUBREC or PUBCOMP of the device. One that says that the device has no use for the
   * message ends its exchange [MQTT5-4.3.3-4]. */
  giveAnswer(frame: Frame, packetId: number): boolean {
    const type = frame.header >> 4
    const isRefused = type === packetType.pubrec && readReasonCode(frame) >= 0x80
    if (type === packetType.pubrec && !isRefused) {
      return this.give(writeAcknowledgement(type, packetId))
    }
    this.#flight?.answered(packetId)
    return this.give(writeAcknowledgement(isRefused ? packetType.puback : type, packetId))
  }

  /** Makes aedes forget a message that has a packet id. */
  #discard(packetId: number): void {
    this.give(writeAcknowledgement(packetType.puback, packetId))
  }

  #pass(packet: Buffer): boolean {
    const type = (packet[0] as number) >> 4
    if (type === packetType.puback || type === packetType.pubcomp) {
      this.ids.release(packet.readUInt16BE(2))
    }
    return this.stream.give(packet)
  }

  /** SUBSCRIBE, one at a time; resolves when aedes has answered, or has closed. Of equal filters
   * the last counts [MQTT-3.8.4-3]. */
  subscribe(messageId: number, requests: readonly PlainRequest[]): Promise<void> {
    const asked = new Map(requests.map((request) => [request.filter, request]))
    this.#asked = asked
    const subscriptions = [...asked.values()].map(({ filter, qos }) => ({ topic: filter, qos }))
    return this.#change({ cmd: 'subscribe', messageId, subscriptions })
  }

  /** UNSUBSCRIBE; as `subscribe`. */
  unsubscribe(messageId: number, filters: readonly string[]): Promise<void> {
    return this.#change({ cmd: 'unsubscribe', messageId, unsubscriptions: [...filters] })
  }

  #change(packet: ISubscribePacket | IUnsubscribePacket): Promise<void> {
    return new Promise((resolve) => {
      this.#answered = resolve
      if (this.stream.destroyed) resolve()
      else this.give(mqtt.generate(packet))
    })
  }

  /** aedes makes a subscription: one that is asked for, or one that was kept, with its options. */
  subscribing(subscription: ISubscription & SubscriptionKeys): void {
    const asked = this.#asked.get(subscription.topic)
    this.granted.set(subscription.topic, subscription.qos, asked ?? optionsOf(subscription))
  }

  /** What is to be kept of the filters of a SUBSCRIBE: aedes does not know their options. It asks
   * once for each filter, for all of them, and gets the same answer. */
  kept(subscriptions: readonly KeptSubscription[]): readonly KeptSubscription[] {
    if (this.#kept?.of === subscriptions) return this.#kept.are
    const are = subscriptions.map((it) => ({ ...it, ...keysOf(this.#asked.get(it.topic) ?? {}) }))
    this.#kept = { of: subscriptions, are }
    return are
  }

  /** Whether the SUBSCRIBE that aedes answers wants the retained messages of a filter. */
  wantsRetained(filter: string): boolean {
    return this.#asked.get(filter)?.wantsRetained ?? true
  }

  /** The retained message that aedes sends next is on its way. */
  retainedComes(): void {
    this.#retainedComing++
  }

  /** Resolves when the device takes another message of QoS 1 or 2. */
  async room(): Promise<void> {
    await this.#flight?.room()
  }

  /** Whether a PUBLISH is not larger than the device takes [MQTT5-3.1.2-24]. */
  mayHold({ topic, qos, payload }: { topic: string; qos: number; payload: Buffer }): boolean {
    const { packetBytesMax } = this.introduction
    if (packetBytesMax === Number.POSITIVE_INFINITY) return true
    const length = 2 + Buffer.byteLength(topic) + (qos > 0 ? 2 : 0) + payload.length
    return 1 + variableInteger(length).length + length <= packetBytesMax
  }

  /** How long after its connection the client's will is published, ms. */
  willDelayMs(): number {
    const { willDelayInterval = 0 } = this.introduction.will?.properties ?? {}
    return Math.min(willDelayInterval * 1000, this.lastsMs)
  }

  /** Leaves aedes once it has read what it was given: with DISCONNECT, or so that the will is
   * published [MQTT-3.1.2-8, MQTT-3.14.4-3], at once or later, but not after the session has ended
   * [MQTT5-3.1.2-8]. */
  leave(owesWill: boolean): void {
    const willDelayMs = this.willDelayMs()
    const isDelayed = owesWill && willDelayMs > 0
    if (isDelayed) this.#delayWill(willDelayMs)
    const leave = () => {
      if (!owesWill || isDelayed) this.stream.give(disconnect)
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
    const unsent = this.link.unsentBytes() + (this.#flight?.waitingBytes() ?? 0)
    if (unsent + this.stream.writableLength < this.#unsentBytesMax) return true
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

  #heard({ header, buffer, first, start, end }: Frame): void {
    const type = header >> 4
    this.#isRetained = type === packetType.publish && (header & 1) === 1 && this.#retainedCame()
    if (type === packetType.suback || type === packetType.unsuback) return this.#answered()
    if (type === packetType.connack) return this.introduction.connected?.(this.isPresent)
    const packet = Buffer.from(buffer.subarray(first, end))
    const isCounted = type === packetType.publish && (header & 6) !== 0
    if (!isCounted || this.#flight === undefined) return this.link.write(packet)
    const topicEnd = start + 2 + buffer.readUInt16BE(start)
    this.#flight.send(packet, buffer.readUInt16BE(topicEnd))
  }

  /** Whether a message with RETAIN was a retained one: a client may ask for the flag on others, but
   * aedes waits only with these. */
  #retainedCame(): boolean {
    if (this.#retainedComing === 0) return false
    this.#retainedComing--
    return true
  }
}

/** Options as aedes keeps them. */
export function keysOf(options: SubscriptionOptions): SubscriptionKeys {
  const { noLocal: nl, retainAsPublished: rap, identifier: subscriptionIdentifier } = options
  return { nl, rap, subscriptionIdentifier }
}

function optionsOf({ nl, rap, subscriptionIdentifier }: SubscriptionKeys): SubscriptionOptions {
  return {
    ...(nl ? { noLocal: nl } : {}),
    ...(rap ? { retainAsPublished: rap } : {}),
    ...(subscriptionIdentifier ? { identifier: subscriptionIdentifier } : {}),
  }
}

function ignore(): void {}
