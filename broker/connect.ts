// CONNECT: who is it, with which device? Verifies the token, opens the session, and answers. The
// client id is scoped by the user, so nobody can take over another user's session.

import { errorCatalogue, Refusal } from '../protocol/errors.ts'
import { StoreFailure } from '../protocol/failure.ts'
import { isId } from '../protocol/ids.ts'
import { parsePublishTopic } from '../protocol/topics.ts'
import { deviceKey } from '../services/delivery/locks.ts'
import { recallRecords } from './at-least-once.ts'
import type { Connection } from './connection.ts'
import type { BrokerContext, Identity } from './context.ts'
import type { ConnectPacket, Will } from './edge/client-packets.ts'
import { readConnect } from './edge/client-packets.ts'
import type { Frame } from './edge/framer.ts'
import { writeConnack } from './edge/packets.ts'
import { recallReceived } from './exactly-once.ts'
import { introducePlain } from './plain-packets.ts'

/** Return codes of CONNACK [MQTT-3.2.2-4]. */
const connackCode = {
  unacceptableProtocol: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badCredentials: 4,
  notAuthorized: 5,
} as const

/** An MQTT 5 CONNACK: unsupported protocol version. The only packet such a client understands. */
const connackForLevel5 = Buffer.from([0x20, 3, 0, 0x84, 0])

/** Takes the CONNECT, which must be the first packet [MQTT-3.1.0-1]. Reading waits for the
 * CONNACK. */
export function handleConnect(connection: Connection, frame: Frame): void {
  const packet = readOrRefuse(connection, frame)
  if (packet === undefined) return
  const device = clientIdOf(packet, connection.context.randomId)
  if (device === undefined || !isId(device)) return refuseClientId(connection)
  connection.state = 'connecting'
  connection.hold('answer')
  open(connection, packet, device)
    .catch((error: unknown) => {
      const code = connackFor(error)
      if (code === undefined) {
        connection.context.logger.error({ err: error }, 'a connection could not be opened')
      }
      refuse(connection, code ?? connackCode.serverUnavailable)
    })
    .finally(() => connection.release('answer'))
}

/** Reads a CONNECT; undefined when its protocol was refused. Throws `FatalPacket`. */
export function readOrRefuse(connection: Connection, frame: Frame): ConnectPacket | undefined {
  const packet = readConnect(frame)
  if (typeof packet === 'number') refuse(connection, connackCode.unacceptableProtocol)
  else if (packet.level !== 5) {
    connection.level = packet.level
    return packet
  } else {
    connection.write(connackForLevel5)
    connection.close('MQTT 5 is not supported yet')
  }
  return undefined
}

/** Refuses a CONNECT for its client id. */
export function refuseClientId(connection: Connection): void {
  refuse(connection, connackCode.identifierRejected)
}

/** The client id, which is the device's id. A client that will not come back may leave it to the
 * server [MQTT-3.1.3-6, MQTT-3.1.3-8]; undefined when one that will has none. */
export function clientIdOf(
  { clientId, clean }: ConnectPacket,
  randomId: () => string,
): string | undefined {
  if (clientId !== '') return clientId
  return clean ? `auto-${randomId()}` : undefined
}

function refuse(connection: Connection, code: number): void {
  connection.write(writeConnack(code))
  connection.close(`connection refused with code ${code}`)
}

function connackFor(error: unknown): number | undefined {
  if (error instanceof StoreFailure) return connackCode.serverUnavailable
  if (!(error instanceof Refusal)) return undefined
  const action = errorCatalogue[error.code].mqtt
  return action === 'connack4' ? connackCode.badCredentials : connackCode.notAuthorized
}

async function open(connection: Connection, packet: ConnectPacket, device: string) {
  const { context } = connection
  const token = packet.password?.toString() ?? connection.offeredToken
  if (token === undefined) throw new Refusal('invalid-token', 'no token was given')
  const identity = await context.identify(token)
  const will = plainWill(packet, identity, context)
  if (connection.state !== 'connecting') return
  const { user } = identity
  const arrival = { user, device, durable: !packet.clean, link: connection }
  const { session, present } = await context.engine.attach(arrival)
  if (!present) await context.plain.forget(deviceKey(session))
  // The peer may have gone, or another connection of the device come, meanwhile.
  if (connection.state !== 'connecting') return context.engine.detach(session)
  connection.identity = identity
  connection.session = session
  // One and a half times the keep-alive [MQTT-3.1.2-24].
  connection.silenceMsMax = packet.keepAliveSeconds * 1500
  recallRecords(connection, session, present)
  if (present) await recallReceived(connection, session)
  if (connection.state !== 'connecting') return
  connection.write(writeConnack(0, present))
  connection.opened()
  // aedes hears of a device when it has something to remember for it, or to say.
  const isPlain = present && context.plain.remembers(deviceKey(session))
  if (will || isPlain || session.subscriptions.plain().length > 0) introducePlain(connection, will)
  session.start()
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
