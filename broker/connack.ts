// The answer to a CONNECT, at the level of the client: a return code, or a reason code with what
// the server does otherwise than was asked for.

import type { ReasonCode } from '../protocol/reasons.ts'
import { reasonCode } from '../protocol/reasons.ts'
import type { Connection } from './connection.ts'
import type { BrokerLimits } from './context.ts'
import { countUp } from './counts.ts'
import type { ConnectPacket } from './edge/client-packets.ts'
import { writeConnack } from './edge/packets.ts'
import type { Properties } from './edge/properties.ts'
import { explained } from './terms.ts'

/** Return codes of CONNACK below level 5 [MQTT-3.2.2-4]. */
const returnCodes: ReadonlyMap<ReasonCode, number> = new Map([
  [reasonCode.unsupportedProtocol, 1],
  [reasonCode.clientIdInvalid, 2],
  [reasonCode.serverUnavailable, 3],
  [reasonCode.badCredentials, 4],
  [reasonCode.notAuthorized, 5],
])
const unavailable = 3

/** Refuses a CONNECT, and ends the connection [MQTT-3.2.2-5, MQTT5-3.2.2-7]. */
export function refuseConnect(connection: Connection, reason: ReasonCode, why: string): void {
  const { level, terms, context } = connection
  countUp(context.counts.connectsRefused, reason)
  const code = level === 5 ? reason : (returnCodes.get(reason) ?? unavailable)
  const write = (properties: Properties) =>
    writeConnack(level, { code, present: false, properties })
  connection.write(explained(terms, { reasonString: why }, write))
  connection.close(`connection refused with code ${code}: ${why}`)
}

/** What the server grants a client. */
export interface Granted {
  /** s; 0 for none. */
  readonly keepAliveSeconds: number
  /** s; undefined below level 5. */
  readonly sessionExpirySeconds: number | undefined
  /** The client id that the server has given it. */
  readonly assigned: string | undefined
}

/** What is granted of what a CONNECT asks for. */
export function grant(
  { level, keepAliveSeconds, properties, clientId }: ConnectPacket,
  id: string,
  limits: Pick<BrokerLimits, 'keepAliveSecondsMax' | 'sessionExpirySeconds'>,
): Granted {
  const assigned = clientId === '' ? id : undefined
  // A client of a lower level could not be told.
  if (level !== 5) return { keepAliveSeconds, sessionExpirySeconds: undefined, assigned }
  const longest = limits.keepAliveSecondsMax
  const isShort = keepAliveSeconds > 0 && keepAliveSeconds <= longest
  const wanted = properties.sessionExpiryInterval ?? 0
  return {
    keepAliveSeconds: isShort || longest === 0 ? keepAliveSeconds : longest,
    sessionExpirySeconds: Math.min(wanted, limits.sessionExpirySeconds),
    assigned,
  }
}

/** Tells a client that it is connected, and where the server differs from what was asked for
 * [MQTT5-3.1.2-21, MQTT5-3.1.3-7, MQTT5-3.2.2-14]. */
export function acceptConnect(
  connection: Connection,
  packet: ConnectPacket,
  { present, granted }: { readonly present: boolean; readonly granted: Granted },
): void {
  const { context, level } = connection
  connection.owesWill = true
  const properties = level === 5 ? announce(packet, granted, context.limits) : {}
  connection.write(writeConnack(level, { code: reasonCode.success, present, properties }))
}

function announce(
  { keepAliveSeconds, properties }: ConnectPacket,
  granted: Granted,
  limits: BrokerLimits,
): Properties {
  const { sessionExpirySeconds = 0, assigned } = granted
  const isShorter = sessionExpirySeconds < (properties.sessionExpiryInterval ?? 0)
  const isOtherKeepAlive = granted.keepAliveSeconds !== keepAliveSeconds
  return {
    ...(isShorter ? { sessionExpiryInterval: sessionExpirySeconds } : {}),
    ...(isOtherKeepAlive ? { serverKeepAlive: granted.keepAliveSeconds } : {}),
    ...(assigned === undefined ? {} : { assignedClientIdentifier: assigned }),
    receiveMaximum: limits.publishesInFlightMax,
    maximumPacketSize: limits.packetBytesMax,
    topicAliasMaximum: limits.topicAliasMax,
    sharedSubscriptionAvailable: false,
  }
}
