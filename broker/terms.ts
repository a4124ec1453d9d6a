// What a client of MQTT 5 says in its CONNECT about what it can take. Others say nothing, and take
// everything.

import type { Properties } from './edge/properties.ts'
import { noProperties } from './edge/properties.ts'

export interface Terms {
  /** Most messages at QoS 1 and 2 on their way to the client [MQTT5-3.3.4-9]. */
  readonly receiveMaximum: number
  /** Largest packet it takes, bytes [MQTT5-3.1.2-24]. */
  readonly packetBytesMax: number
  /** Highest topic alias it takes [MQTT5-3.1.2-26]. */
  readonly topicAliasMaximum: number
  /** Whether it wants reason strings and user properties in answers [MQTT5-3.1.2-29]. */
  readonly wantsReasons: boolean
}

/** The terms of who has not said any; shared. */
export const anyTerms: Terms = Object.freeze({
  receiveMaximum: 65_535,
  packetBytesMax: Number.POSITIVE_INFINITY,
  topicAliasMaximum: 0,
  wantsReasons: true,
})

/** The terms in the properties of a CONNECT. */
export function readTerms(properties: Properties): Terms {
  return {
    receiveMaximum: properties.receiveMaximum ?? anyTerms.receiveMaximum,
    packetBytesMax: properties.maximumPacketSize ?? anyTerms.packetBytesMax,
    topicAliasMaximum: properties.topicAliasMaximum ?? anyTerms.topicAliasMaximum,
    wantsReasons: properties.requestProblemInformation ?? anyTerms.wantsReasons,
  }
}

/** A packet with what else there is to say, if the client wants to hear it and takes a packet so
 * large [MQTT5-3.1.2-24, MQTT5-3.1.2-29]; without it otherwise. */
export function explained(
  { wantsReasons, packetBytesMax }: Terms,
  properties: Properties,
  write: (properties: Properties) => Buffer,
): Buffer {
  if (!wantsReasons) return write(noProperties)
  const packet = write(properties)
  return packet.length > packetBytesMax ? write(noProperties) : packet
}
