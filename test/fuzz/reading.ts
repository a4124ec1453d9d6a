// Holds what was read of a packet to the packet: no text has a NUL, every property stands where the
// protocol has it, and mqtt-packet, given the fields, writes the bytes they were read from.

import assert from 'node:assert/strict'
import type { Packet } from 'mqtt-packet'
import mqtt from 'mqtt-packet'
import type {
  ConnectPacket,
  ReasonPacket,
  SubscribePacket,
  UnsubscribePacket,
  Will,
} from '../../broker/edge/client-packets.ts'
import type { PublishPacket } from '../../broker/edge/packets.ts'
import type { Properties } from '../../broker/edge/properties.ts'
import type { Level } from '../../broker/edge/reader.ts'

/** What was read, by kind of packet. */
export type Read =
  | { readonly cmd: 'connect'; readonly fields: ConnectPacket }
  | { readonly cmd: 'publish'; readonly fields: PublishPacket }
  | { readonly cmd: 'subscribe'; readonly fields: SubscribePacket }
  | { readonly cmd: 'unsubscribe'; readonly fields: UnsubscribePacket }
  | { readonly cmd: 'disconnect' | 'auth'; readonly fields: ReasonPacket }
  | { readonly cmd: 'answer'; readonly type: number; readonly packetId: number }
  | { readonly cmd: 'pingreq' | 'other level' }

/** Throws where what was read is not what the packet says, or says what no packet may. */
export function demandSound(packet: Buffer, read: Read, level: Level): void {
  forbidNul(read)
  checkProperties(read)
  const again = writeAgain(packet, read, level)
  if (again === undefined) return
  assert.equal(packet[0], again[0], 'the first byte')
  assert.deepEqual(sorted(packet, again), sorted(again, packet), 'the bytes')
}

function forbidNul(value: unknown): void {
  if (typeof value === 'string') assert.ok(!value.includes('\0'), 'a NUL in a text')
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return
  for (const part of Object.values(value)) forbidNul(part)
}

const ofMessages = ['payloadFormatIndicator', 'messageExpiryInterval', 'contentType']
const aboutMessages = [...ofMessages, 'responseTopic', 'correlationData']

/** MQTT 5, table 2-4, as far as clients send; user properties may stand everywhere. */
const places = {
  connect: [
    ...['sessionExpiryInterval', 'authenticationMethod', 'authenticationData', 'receiveMaximum'],
    ...['requestProblemInformation', 'requestResponseInformation', 'topicAliasMaximum'],
    'maximumPacketSize',
  ],
  will: [...aboutMessages, 'willDelayInterval'],
  publish: [...aboutMessages, 'topicAlias'],
  subscribe: ['subscriptionIdentifier'],
  unsubscribe: [],
  disconnect: ['sessionExpiryInterval', 'reasonString'],
  auth: ['authenticationMethod', 'authenticationData', 'reasonString'],
} as const

function checkProperties(read: Read): void {
  if (!('fields' in read)) return
  checkPlace(read.cmd, read.fields.properties)
  if (read.cmd === 'connect' && read.fields.will !== undefined) {
    checkPlace('will', read.fields.will.properties)
  }
}

function checkPlace(place: keyof typeof places, properties: Properties): void {
  const allowed: readonly string[] = [...places[place], 'userProperties']
  for (const name of Object.keys(properties)) assert.ok(allowed.includes(name), `${name}, ${place}`)
}

/** The bytes of the body in order of their values, because properties may stand in any order; and
 * with up to two zeros of the other's, which stand for what may be left out at the end. */
function sorted(packet: Buffer, other: Buffer): Buffer {
  const [body, longer] = [bodyOf(packet), bodyOf(other)]
  const missing = Math.min(Math.max(longer.length - body.length, 0), 2)
  return Buffer.concat([body, Buffer.alloc(missing)]).sort()
}

function bodyOf(packet: Buffer): Buffer {
  let at = 1
  while ((packet[at] ?? 0) >= 0x80) at++
  return packet.subarray(at + 1)
}

/** The packet as mqtt-packet writes it; undefined where that cannot write what MQTT allows. */
function writeAgain(packet: Buffer, read: Read, level: Level): Buffer | undefined {
  switch (read.cmd) {
    case 'other level':
      return undefined
    case 'pingreq':
      return Buffer.of(0xc0, 0)
    case 'answer':
      assert.notEqual(read.packetId, 0, 'packet id 0')
      return writeAnswer(packet, read, level)
    case 'connect':
      return writeConnect(read.fields)
    default:
      return generate({ cmd: read.cmd, ...fieldsOf(read, level) }, level)
  }
}

function fieldsOf(read: Extract<Read, { fields: unknown }>, level: Level): object {
  switch (read.cmd) {
    case 'publish': {
      const { packetId, properties, ...rest } = read.fields
      if (rest.qos > 0) assert.notEqual(packetId, 0, 'packet id 0')
      return { ...rest, messageId: packetId, ...propertiesOf(properties, level) }
    }
    case 'subscribe': {
      const { packetId, subscriptions, properties } = read.fields
      assert.ok(packetId > 0 && subscriptions.length > 0, 'an id, and something to subscribe to')
      const given = subscriptions.map(({ filter, qos, ...options }) => ({
        ...{ topic: filter, qos, nl: options.noLocal, rap: options.retainAsPublished },
        rh: options.retainHandling,
      }))
      return { messageId: packetId, subscriptions: given, ...propertiesOf(properties, level) }
    }
    case 'unsubscribe': {
      const { packetId, filters, properties } = read.fields
      assert.ok(packetId > 0 && filters.length > 0, 'an id, and something to unsubscribe from')
      return { messageId: packetId, unsubscriptions: filters, ...propertiesOf(properties, level) }
    }
    default: {
      const { reason, properties } = read.fields as ReasonPacket
      return level === 5 ? { reasonCode: reason, ...propertiesOf(properties, level) } : {}
    }
  }
}

function writeConnect(fields: ConnectPacket): Buffer | undefined {
  const { level, clientId, clean, keepAliveSeconds, userName, password } = fields
  if (clientId === '' && (!clean || level === 3)) return undefined
  if (password !== undefined && userName === undefined) return undefined
  const { will } = fields
  const packet = {
    cmd: 'connect',
    protocolId: level === 3 ? 'MQIsdp' : 'MQTT',
    protocolVersion: level,
    clientId,
    clean,
    keepalive: keepAliveSeconds,
    ...(userName === undefined ? {} : { username: userName }),
    ...(password === undefined ? {} : { password }),
    ...(will === undefined ? {} : { will: willOf(will, level) }),
    ...propertiesOf(fields.properties, level),
  }
  return generate(packet, level)
}

function willOf({ properties, ...will }: Will, level: Level): object {
  assert.ok(will.topic !== '' && !/[+#]/.test(will.topic), 'the topic of a will')
  return { ...will, ...propertiesOf(properties, level) }
}

/** The edge reads no more than the id: the rest is what mqtt-packet's parser makes of it. */
function writeAnswer(
  packet: Buffer,
  { packetId }: { readonly packetId: number },
  level: Level,
): Buffer {
  const parser = mqtt.parser({ protocolVersion: level })
  let parsed: Packet | undefined
  parser.on('packet', (it) => {
    parsed = it
  })
  parser.on('error', (error: Error) => assert.fail(`mqtt-packet refuses it: ${error.message}`))
  parser.parse(packet)
  assert.equal(parsed?.messageId, packetId)
  return generate(parsed as Packet, level)
}

function generate(packet: object, level: Level): Buffer {
  return mqtt.generate(packet as Packet, { protocolVersion: level })
}

/** As mqtt-packet takes them: pairs of one name as a list. */
function propertiesOf(properties: Properties, level: Level): object {
  if (level !== 5) {
    assert.deepEqual(properties, {}, 'no properties below level 5')
    return {}
  }
  const { userProperties, ...rest } = properties
  if (userProperties === undefined) return { properties: rest }
  const lists = new Map<string, string[]>()
  for (const [name, value] of userProperties) {
    lists.set(name, [...(lists.get(name) ?? []), value])
  }
  return { properties: { ...rest, userProperties: Object.fromEntries(lists) } }
}
