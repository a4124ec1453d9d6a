// CONNECT: who is it, with which device? Opens the session, and answers. The client id is scoped by
// the user, so nobody can take over another user's session.

import { errorCatalogue, Refusal } from '../protocol/errors.ts'
import { StoreFailure } from '../protocol/failure.ts'
import type { ReasonCode } from '../protocol/reasons.ts'
import { reasonCode } from '../protocol/reasons.ts'
import { parsePublishTopic } from '../protocol/topics.ts'
import { deviceKey } from '../services/delivery/locks.ts'
import { recallRecords } from './at-least-once.ts'
import type { Granted } from './connack.ts'
import { acceptConnect, grant, refuseConnect } from './connack.ts'
import type { Connection } from './connection.ts'
import type { BrokerContext, Identity } from './context.ts'
import type { ConnectPacket, Will } from './edge/client-packets.ts'
import { readConnect } from './edge/client-packets.ts'
import type { Frame } from './edge/framer.ts'
import { recallReceived } from './exactly-once.ts'
import { makeFlow } from './flow.ts'
import { deviceOf, identify } from './identify.ts'
import { introducePlain } from './plain/packets.ts'
import { readTerms } from './terms.ts'

/** Takes the CONNECT, which must be the first packet [MQTT-3.1.0-1]. Reading waits for the
 * CONNACK. */
export function handleConnect(connection: Connection, frame: Frame): void {
  const packet = readOrRefuse(connection, frame)
  if (packet === undefined) return
  const device = deviceOf(connection, packet, clientIdOf(packet, connection.context.randomId))
  if (device === undefined) return refuseClientId(connection)
  connection.state = 'connecting'
  connection.hold('answer')
  open(connection, packet, device)
    .catch((error: unknown) => {
      const { reason, why } = refusalOf(error)
      if (reason === reasonCode.unspecifiedError) {
        connection.context.logger.error({ err: error }, 'a connection could not be opened')
      }
      refuseConnect(connection, reason, why)
    })
    .finally(() => connection.release('answer'))
}

/** Reads a CONNECT; undefined when what it asks for was refused. Throws `FatalPacket`. */
export function readOrRefuse(connection: Connection, frame: Frame): ConnectPacket | undefined {
  const packet = readConnect(frame)
  if (typeof packet === 'number') {
    const why = `level ${packet} of the protocol [MQTT-3.1.2-2]`
    refuseConnect(connection, reasonCode.unsupportedProtocol, why)
    return undefined
  }
  connection.level = packet.level
  connection.terms = readTerms(packet.properties)
  if (packet.level === 5) {
    connection.flow = makeFlow(connection.terms, connection.context.limits.topicAliasMax)
  }
  if (packet.properties.authenticationMethod === undefined) return packet
  const why = 'no authentication method is known here [MQTT5-4.12.0-1]'
  refuseConnect(connection, reasonCode.badAuthenticationMethod, why)
  return undefined
}

/** Refuses a CONNECT for its client id. */
export function refuseClientId(connection: Connection): void {
  const why = connection.certified
    ? 'the client id must be that of the certificate, or empty'
    : 'a client id is 1 to 128 bytes without / + # $, spaces or control characters'
  refuseConnect(connection, reasonCode.clientIdInvalid, why)
}

/** The client id, which is the device's id. A client may leave it to the server, if it can be told
 * what it got or will not come back [MQTT-3.1.3-6, MQTT-3.1.3-8, MQTT5-3.1.3-6]; undefined when
 * neither holds. */
export function clientIdOf(
  { clientId, clean, level }: ConnectPacket,
  randomId: () => string,
): string | undefined {
  if (clientId !== '') return clientId
  return clean || level === 5 ? `auto-${randomId()}` : undefined
}

function refusalOf(error: unknown): { readonly reason: ReasonCode; readonly why: string } {
  if (error instanceof StoreFailure) {
    return { reason: reasonCode.serverUnavailable, why: 'the store does not answer' }
  }
  if (!(error instanceof Refusal)) {
    return { reason: reasonCode.unspecifiedError, why: 'the server failed' }
  }
  const { mqtt, reason } = errorCatalogue[error.code]
  const isOwn = mqtt === 'connack4' || error.code === 'too-many-devices'
  return { reason: isOwn ? reason : reasonCode.notAuthorized, why: error.message }
}

async function open(connection: Connection, packet: ConnectPacket, device: string) {
  const { context } = connection
  const identity = await context.arrivals.identify(device, () => identify(connection, packet))
  if (identity === undefined) return connection.takenOver()
  const will = plainWill(packet, identity, context)
  if (connection.state !== 'connecting') return
  const { user } = identity
  const granted = grant(packet, device, context.limits)
  const arrival = { user, device, link: connection, ...lifeOf(packet, granted) }
  const { session, present } = await context.engine.attach(arrival)
  const isRemembered = await returnToPlain(context, deviceKey(session), present)
  // The peer may have gone, or another connection of the device come, meanwhile.
  if (connection.state !== 'connecting') return context.engine.detach(session)
  connection.identity = identity
  connection.session = session
  // One and a half times the keep-alive [MQTT-3.1.2-24].
  connection.silenceMsMax = granted.keepAliveSeconds * 1500
  recallRecords(connection, session, present)
  if (present) await recallReceived(connection, session)
  if (connection.state !== 'connecting') return
  acceptConnect(connection, packet, { present, granted })
  connection.opened()
  // aedes hears of a device when it has something to remember for it, or to say.
  if (will || isRemembered || session.subscriptions.plain().length > 0)
    introducePlain(connection, will)
  session.start()
}

/** Whether aedes may hold something of a session that goes on; of a new one nothing counts. */
async function returnToPlain({ plain }: BrokerContext, key: string, isPresent: boolean) {
  if (isPresent) return plain.returned(key)
  await plain.forget(key)
  return false
}

/** Whether a session is kept when its device goes, and for how long. Below level 5 a clean one is
 * not, and others for as long as the settings say. */
function lifeOf({ clean, level }: ConnectPacket, { sessionExpirySeconds = 0 }: Granted) {
  if (level !== 5) return { durable: !clean, clean }
  const durable = !clean || sessionExpirySeconds > 0
  return { durable, clean, expiryMs: sessionExpirySeconds * 1000 }
}

/** The will for aedes. A will may also speak of the user's own presence. */
function plainWill(
  { will }: ConnectPacket,
  { user, topics }: Identity,
  { plainAccess }: BrokerContext,
): Will | undefined {
  if (will === undefined || will.topic === `u/${user}/presence`) return undefined
  const isPlain = parsePublishTopic(will.topic).kind === 'plain'
  if (isPlain && plainAccess.mayPublish(topics, will.topic)) return will
  throw new Refusal('not-authorized', 'a will may be left on the own presence or a granted topic')
}
