// The packets of clients that are rare: CONNECT, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH. Read
// strictly, at every level of the protocol; mqtt-packet is lenient and knows text only after it has
// mended it.

import { filtersAtOnceMax } from '../../protocol/limits.ts'
import { reasonCode } from '../../protocol/reasons.ts'
import { checkReason } from './client-reasons.ts'
import { FatalPacket } from './fatal-packet.ts'
import type { Frame } from './framer.ts'
import type { Properties } from './properties.ts'
import { noProperties, readProperties } from './properties.ts'
import type { Level } from './reader.ts'
import { PacketReader } from './reader.ts'

/** What is published when a client goes without DISCONNECT. */
export interface Will {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly properties: Properties
}

export interface ConnectPacket {
  readonly level: Level
  readonly clientId: string
  /** Clean session, and at level 5 clean start. */
  readonly clean: boolean
  /** s; 0 for none. */
  readonly keepAliveSeconds: number
  readonly will: Will | undefined
  readonly userName: string | undefined
  readonly password: Buffer | undefined
  readonly properties: Properties
}

/** One filter of a SUBSCRIBE; the options are false and 0 below level 5. */
interface Subscription {
  readonly filter: string
  readonly qos: 0 | 1 | 2
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  /** 0: retained messages are sent; 1: only if the subscription is new; 2: never. */
  readonly retainHandling: 0 | 1 | 2
}

export interface SubscribePacket {
  readonly packetId: number
  readonly subscriptions: readonly Subscription[]
  readonly properties: Properties
}

export interface UnsubscribePacket {
  readonly packetId: number
  readonly filters: readonly string[]
  readonly properties: Properties
}

/** DISCONNECT or AUTH. */
export interface ReasonPacket {
  readonly reason: number
  readonly properties: Properties
}

const bit = { clean: 2, will: 4, willRetain: 32, password: 64, userName: 128 } as const

/** Reads a CONNECT, whatever it asks for; a number when it is one of a protocol level that this
 * server does not speak [MQTT-3.1.2-2]. Copies what must outlive the frame. Throws
 * `FatalPacket`. */
export function readConnect(frame: Frame): ConnectPacket | number {
  demandFlags(frame, 0)
  const reader = new PacketReader(frame)
  const name = reader.text('the protocol name')
  if (name !== 'MQTT' && name !== 'MQIsdp') {
    throw new FatalPacket('not the MQTT protocol [MQTT-3.1.2-1]', reasonCode.unsupportedProtocol)
  }
  const level = reader.byte('the protocol level')
  if (!isLevel(level) || (level === 3) !== (name === 'MQIsdp')) return level
  return readRest(reader, level)
}

function isLevel(level: number): level is Level {
  return level === 3 || level === 4 || level === 5
}

function readRest(reader: PacketReader, level: Level): ConnectPacket {
  const flags = reader.byte('the connect flags')
  checkConnectFlags(flags, level)
  const keepAliveSeconds = reader.uint16('the keep-alive')
  const properties = level === 5 ? readProperties(reader, 'connect') : noProperties
  const clientId = reader.text('the client id')
  const will = (flags & bit.will) === 0 ? undefined : readWill(reader, level, flags)
  const userName = (flags & bit.userName) === 0 ? undefined : reader.text('the user name')
  const password =
    (flags & bit.password) === 0 ? undefined : Buffer.from(reader.bytes('the password'))
  reader.demandEnd()
  const clean = (flags & bit.clean) !== 0
  return { level, clientId, clean, keepAliveSeconds, will, userName, password, properties }
}

function checkConnectFlags(flags: number, level: Level): void {
  if ((flags & 1) !== 0) throw new FatalPacket('the reserved connect flag [MQTT-3.1.2-3]')
  const willQos = (flags >> 3) & 3
  if (willQos === 3) throw new FatalPacket('a will of QoS 3 [MQTT-3.1.2-14]')
  if ((flags & bit.will) === 0 && (willQos > 0 || (flags & bit.willRetain) !== 0)) {
    throw new FatalPacket('flags of a will without a will [MQTT-3.1.2-13, MQTT-3.1.2-15]')
  }
  const isLonely = (flags & bit.password) !== 0 && (flags & bit.userName) === 0
  if (isLonely && level !== 5) {
    throw new FatalPacket('a password without a user name [MQTT-3.1.2-22]')
  }
}

function readWill(reader: PacketReader, level: Level, flags: number): Will {
  const properties = level === 5 ? readProperties(reader, 'will') : noProperties
  const topic = reader.text('the topic of the will')
  if (topic === '' || /[+#]/.test(topic)) {
    throw new FatalPacket('a will to no topic [MQTT-4.7.3-1, MQTT-3.3.2-2]')
  }
  checkResponseTopic(properties)
  return {
    topic,
    payload: Buffer.from(reader.bytes('the payload of the will')),
    qos: ((flags >> 3) & 3) as 0 | 1 | 2,
    retain: (flags & bit.willRetain) !== 0,
    properties,
  }
}

/** A response topic names a topic [MQTT5-3.3.2-14]. Throws `FatalPacket`. */
export function checkResponseTopic({ responseTopic }: Properties): void {
  if (responseTopic !== undefined && /[+#]/.test(responseTopic)) {
    throw new FatalPacket('a response topic with wildcards', reasonCode.protocolError)
  }
}

/** Reads a SUBSCRIBE. Whether its filters are any is for others to say. Throws `FatalPacket`. */
export function readSubscribe(frame: Frame, level: Level): SubscribePacket {
  // [MQTT-3.8.1-1]
  demandFlags(frame, 2)
  const reader = new PacketReader(frame)
  const packetId = reader.packetId()
  const properties = level === 5 ? readProperties(reader, 'subscribe') : noProperties
  const subscriptions: Subscription[] = []
  do {
    subscriptions.push(readSubscription(reader, level))
    demandCount(subscriptions.length)
  } while (!reader.isAtEnd())
  return { packetId, subscriptions, properties }
}

/** More filters than any session holds are sent to keep the server busy. */
function demandCount(filters: number): void {
  if (filters <= filtersAtOnceMax) return
  throw new FatalPacket(`more than ${filtersAtOnceMax} topic filters`, reasonCode.quotaExceeded)
}

function readSubscription(reader: PacketReader, level: Level): Subscription {
  const filter = reader.text('a topic filter')
  const options = reader.byte('the options of a subscription')
  const qos = options & 3
  const retainHandling = (options >> 4) & 3
  const reserved = level === 5 ? 0xc0 : 0xfc
  if (qos === 3 || retainHandling === 3 || (options & reserved) !== 0) {
    throw new FatalPacket(`options ${options} of a subscription [MQTT-3-8.3-4]`)
  }
  const noLocal = (options & 4) !== 0
  if (noLocal && filter.startsWith('$share/')) {
    throw new FatalPacket('No Local of a shared subscription', reasonCode.protocolError)
  }
  return {
    filter,
    qos: qos as 0 | 1 | 2,
    noLocal,
    retainAsPublished: (options & 8) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  }
}

/** Reads an UNSUBSCRIBE. Throws `FatalPacket`. */
export function readUnsubscribe(frame: Frame, level: Level): UnsubscribePacket {
  // [MQTT-3.10.1-1]
  demandFlags(frame, 2)
  const reader = new PacketReader(frame)
  const packetId = reader.packetId()
  const properties = level === 5 ? readProperties(reader, 'unsubscribe') : noProperties
  const filters: string[] = []
  // At least one [MQTT-3.10.3-2].
  do {
    filters.push(reader.text('a topic filter'))
    demandCount(filters.length)
  } while (!reader.isAtEnd())
  return { packetId, filters, properties }
}

/** Reads a DISCONNECT; below level 5 it is empty [MQTT-3.14.1-1]. Throws `FatalPacket`. */
export function readDisconnect(frame: Frame, level: Level): ReasonPacket {
  if (level === 5) return readReason(frame, 'disconnect')
  demandEmpty(frame)
  return { reason: reasonCode.success, properties: noProperties }
}

/** Reads an AUTH, which only clients of level 5 send. Throws `FatalPacket`. */
export function readAuth(frame: Frame): ReasonPacket {
  return readReason(frame, 'auth')
}

/** Both may leave out what says nothing. */
function readReason(frame: Frame, place: 'disconnect' | 'auth'): ReasonPacket {
  demandFlags(frame, 0)
  const reader = new PacketReader(frame)
  const reason = reader.isAtEnd() ? reasonCode.success : reader.byte('a reason code')
  checkReason(frame.header >> 4, reason)
  const properties = reader.isAtEnd() ? noProperties : readProperties(reader, place)
  reader.demandEnd()
  return { reason, properties }
}

/** PINGREQ has neither flags nor a body [MQTT-2.2.2-2]. Throws `FatalPacket`. */
export function demandEmpty(frame: Frame): void {
  demandFlags(frame, 0)
  new PacketReader(frame).demandEnd()
}

/** The flags of a packet are what the protocol says [MQTT-2.2.2-2]. Throws `FatalPacket`. */
function demandFlags({ header }: Frame, flags: number): void {
  if ((header & 0x0f) !== flags) throw new FatalPacket('reserved flags [MQTT-2.2.2-2]')
}
