// The properties of MQTT 5 packets [MQTT5 2.2.2]: read strictly, each kind only where it may stand
// and once. property-writer.ts writes them.

import type { ReasonCode } from '../../protocol/reasons.ts'
import { reasonCode } from '../../protocol/reasons.ts'
import { FatalPacket } from './fatal-packet.ts'
import type { PacketReader } from './reader.ts'

/** Properties by name; the names are those of mqtt-packet, but for user properties, whose order is
 * kept [MQTT5-3.3.2-18]. Binary data lies in the packet it was read from. */
export interface Properties {
  readonly payloadFormatIndicator?: boolean
  /** s */
  readonly messageExpiryInterval?: number
  readonly contentType?: string
  readonly responseTopic?: string
  readonly correlationData?: Buffer
  readonly subscriptionIdentifier?: number | readonly number[]
  /** s; 0xffffffff for ever */
  readonly sessionExpiryInterval?: number
  readonly assignedClientIdentifier?: string
  /** s */
  readonly serverKeepAlive?: number
  readonly authenticationMethod?: string
  readonly authenticationData?: Buffer
  readonly requestProblemInformation?: boolean
  /** s */
  readonly willDelayInterval?: number
  readonly requestResponseInformation?: boolean
  readonly responseInformation?: string
  readonly serverReference?: string
  readonly reasonString?: string
  readonly receiveMaximum?: number
  readonly topicAliasMaximum?: number
  readonly topicAlias?: number
  readonly maximumQoS?: number
  readonly retainAvailable?: boolean
  readonly userProperties?: readonly (readonly [name: string, value: string])[]
  /** bytes */
  readonly maximumPacketSize?: number
  readonly wildcardSubscriptionAvailable?: boolean
  readonly subscriptionIdentifiersAvailable?: boolean
  readonly sharedSubscriptionAvailable?: boolean
}

/** Packets of a client that carry properties. */
export type PropertyPlace =
  | 'connect'
  | 'will'
  | 'publish'
  | 'acknowledgement'
  | 'subscribe'
  | 'unsubscribe'
  | 'disconnect'
  | 'auth'

export type PropertyType =
  | 'flag'
  | 'byte'
  | 'uint16'
  | 'uint32'
  | 'variable'
  | 'text'
  | 'bytes'
  | 'pair'

interface Definition {
  readonly id: number
  readonly name: keyof Properties
  readonly type: PropertyType
  /** Where a client may put it. */
  readonly places: readonly PropertyPlace[]
  /** What 0 means, if it is forbidden. */
  readonly zero?: ReasonCode
}

const message = ['publish', 'will'] as const
const protocolError = reasonCode.protocolError

/** Every property there is [MQTT5 table 2-4]. */
const definitions: readonly Definition[] = [
  { id: 1, name: 'payloadFormatIndicator', type: 'flag', places: message },
  { id: 2, name: 'messageExpiryInterval', type: 'uint32', places: message },
  { id: 3, name: 'contentType', type: 'text', places: message },
  { id: 8, name: 'responseTopic', type: 'text', places: message },
  { id: 9, name: 'correlationData', type: 'bytes', places: message },
  // A client that sends it in a PUBLISH is in error [MQTT5-3.3.4-6].
  {
    id: 11,
    name: 'subscriptionIdentifier',
    type: 'variable',
    places: ['subscribe'],
    zero: protocolError,
  },
  { id: 17, name: 'sessionExpiryInterval', type: 'uint32', places: ['connect', 'disconnect'] },
  { id: 18, name: 'assignedClientIdentifier', type: 'text', places: [] },
  { id: 19, name: 'serverKeepAlive', type: 'uint16', places: [] },
  { id: 21, name: 'authenticationMethod', type: 'text', places: ['connect', 'auth'] },
  { id: 22, name: 'authenticationData', type: 'bytes', places: ['connect', 'auth'] },
  { id: 23, name: 'requestProblemInformation', type: 'flag', places: ['connect'] },
  { id: 24, name: 'willDelayInterval', type: 'uint32', places: ['will'] },
  { id: 25, name: 'requestResponseInformation', type: 'flag', places: ['connect'] },
  { id: 26, name: 'responseInformation', type: 'text', places: [] },
  { id: 28, name: 'serverReference', type: 'text', places: [] },
  {
    id: 31,
    name: 'reasonString',
    type: 'text',
    places: ['acknowledgement', 'disconnect', 'auth'],
  },
  { id: 33, name: 'receiveMaximum', type: 'uint16', places: ['connect'], zero: protocolError },
  { id: 34, name: 'topicAliasMaximum', type: 'uint16', places: ['connect'] },
  {
    id: 35,
    name: 'topicAlias',
    type: 'uint16',
    places: ['publish'],
    zero: reasonCode.topicAliasInvalid,
  },
  { id: 36, name: 'maximumQoS', type: 'byte', places: [] },
  { id: 37, name: 'retainAvailable', type: 'flag', places: [] },
  {
    id: 38,
    name: 'userProperties',
    type: 'pair',
    places: [
      ...message,
      'connect',
      'acknowledgement',
      'subscribe',
      'unsubscribe',
      'disconnect',
      'auth',
    ],
  },
  { id: 39, name: 'maximumPacketSize', type: 'uint32', places: ['connect'], zero: protocolError },
  { id: 40, name: 'wildcardSubscriptionAvailable', type: 'flag', places: [] },
  { id: 41, name: 'subscriptionIdentifiersAvailable', type: 'flag', places: [] },
  { id: 42, name: 'sharedSubscriptionAvailable', type: 'flag', places: [] },
]

const byId: readonly (Definition | undefined)[] = (() => {
  const table: Definition[] = []
  for (const definition of definitions) table[definition.id] = definition
  return table
})()

type PropertyKind = Pick<Definition, 'id' | 'type'>

/** Each property by its name. */
export const propertyKinds: Readonly<Record<keyof Properties, PropertyKind>> = Object.fromEntries(
  definitions.map(({ name, id, type }) => [name, { id, type }]),
) as Record<keyof Properties, PropertyKind>

/** No properties; shared. */
export const noProperties: Properties = Object.freeze({})

/** What was read so far, by name. */
type Found = { -readonly [Name in keyof Properties]: Properties[Name] } & {
  userProperties?: [name: string, value: string][]
}

/** Reads a block of properties with its length. Throws `FatalPacket`. */
export function readProperties(reader: PacketReader, place: PropertyPlace): Properties {
  const length = reader.variable('the length of properties')
  if (length === 0) return noProperties
  const block = reader.part(length, 'properties')
  const found: Found = {}
  while (!block.isAtEnd()) readProperty(block, place, found)
  if (found.authenticationData !== undefined && found.authenticationMethod === undefined) {
    throw new FatalPacket('authentication data without a method', protocolError)
  }
  return found
}

function readProperty(block: PacketReader, place: PropertyPlace, found: Found): void {
  const id = block.variable('the identifier of a property')
  const definition = byId[id]
  if (definition === undefined) throw new FatalPacket(`a property ${id}, which there is not`)
  const { name, type, places, zero } = definition
  if (!places.includes(place)) throw new FatalPacket(`${name} in ${place}`, protocolError)
  if (type === 'pair') {
    found.userProperties ??= []
    return void found.userProperties.push([block.text(name), block.text(name)])
  }
  if (found[name] !== undefined) throw new FatalPacket(`${name} twice`, protocolError)
  const value = readValue(block, type, name)
  if (zero !== undefined && value === 0) throw new FatalPacket(`${name} 0`, zero)
  Object.assign(found, { [name]: value })
}

function readValue(
  block: PacketReader,
  type: Exclude<PropertyType, 'pair'>,
  name: string,
): unknown {
  if (type === 'flag') {
    const value = block.byte(name)
    if (value > 1) throw new FatalPacket(`${name} ${value}`, protocolError)
    return value === 1
  }
  return block[type](name)
}
