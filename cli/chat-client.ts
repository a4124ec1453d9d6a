// The MQTT client of `send` and `tail`: who it is, where the server is, and its connection. It is a
// stock client with a clean session; it knows nothing that an app could not know.

import { randomBytes } from 'node:crypto'
import type { MqttClient } from 'mqtt'
import { connect } from 'mqtt'
import type { Settings } from '../config/schema.ts'
import { userTopic } from '../protocol/topics.ts'
import { administer } from './administration.ts'
import type { Context } from './context.ts'
import { CommandFailure, usageFailure } from './failures.ts'
import { connectHost, findServer, listenUrl } from './server-file.ts'

const connectTimeoutMs = 10_000
const acknowledgeTimeoutMs = 30_000

/** Who a command speaks as. */
export interface ChatIdentity {
  readonly user: string
  /** Secret. */
  readonly token: string
}

export interface IdentityRequest {
  readonly settings: Settings
  readonly context: Context
  /** The user named by `--as`. */
  readonly as: string | undefined
  /** The user to be when neither `--as` nor PARLEY_TOKEN says so. */
  readonly implied?: string | undefined
}

/** Who to be: `--as` with a token made for it, else PARLEY_TOKEN, else the implied user. */
export async function resolveIdentity(request: IdentityRequest): Promise<ChatIdentity> {
  const { settings, context, as } = request
  const given = context.environment.PARLEY_TOKEN
  if (as === undefined && given) return { user: subjectOf(given), token: given }
  const user = as ?? request.implied
  if (user === undefined) throw usageFailure('say who you are: --as <user>, or PARLEY_TOKEN')
  if (findServer(settings.data) === undefined) throw noServer(`on the folder ${settings.data}`)
  const { token } = await administer(settings, (administration) =>
    administration.issueToken(user, undefined),
  )
  return { user, token }
}

/** The user a JWT names. It is not verified here; the server does that. */
function subjectOf(token: string): string {
  try {
    const part = token.split('.')[1] ?? ''
    const claims: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    const { sub } = claims as Readonly<Record<string, unknown>>
    if (typeof sub === 'string' && sub !== '') return sub
  } catch {
    // Told below: whatever is wrong, it is no token.
  }
  throw new CommandFailure('PARLEY_TOKEN is not a token: make one with `npx parley token <user>`')
}

function noServer(where: string): CommandFailure {
  return new CommandFailure(`no server runs ${where}: start one with \`npx parley serve\``)
}

/** Connects to the server on the data folder, or else to the configured host and port. Resolves
 * when the server has accepted the token; does not reconnect. */
export async function connectChat(
  settings: Settings,
  identity: ChatIdentity,
): Promise<{ readonly client: MqttClient; readonly clientId: string }> {
  const server = findServer(settings.data)
  const configured = { host: connectHost(settings.host), port: settings.mqttPort }
  const address = server === undefined ? listenUrl('mqtt', configured) : server.mqtt
  if (address === undefined) throw new CommandFailure('the running server has no broker role')
  const clientId = `cli-${randomBytes(8).toString('hex')}`
  const client = connect(address, {
    clientId,
    clean: true,
    username: identity.user,
    password: identity.token,
    reconnectPeriod: 0,
    connectTimeout: connectTimeoutMs,
  })
  try {
    await connected(client)
  } catch (error) {
    client.end(true)
    throw explainConnectError(error, address, identity.user)
  }
  // What goes wrong later shows as 'close'; without a listener it would end the process.
  client.on('error', () => {})
  return { client, clientId }
}

function connected(client: MqttClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve())
    client.once('error', reject)
    client.once('close', () => reject(new CommandFailure('the server closed the connection')))
  })
}

function explainConnectError(error: unknown, address: string, user: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ECONNREFUSED') return noServer(`at ${address}`)
  if (code === 3) return new CommandFailure('the server is full: try again later')
  if (code === 4 || code === 5) {
    return new CommandFailure(
      `the server refused the token: make a new one with \`npx parley token ${user}\``,
    )
  }
  if (error instanceof CommandFailure || !(error instanceof Error)) return error
  return new CommandFailure(`cannot connect to ${address}: ${error.message || String(code)}`)
}

/** A promise that rejects when the connection ends. */
export function connectionLost(client: MqttClient): Promise<never> {
  return new Promise((_resolve, reject) => {
    client.once('close', () => reject(new CommandFailure('the server closed the connection')))
  })
}

/** Subscribes at QoS 1; a refusal by the server becomes a `CommandFailure`. */
export async function subscribe(client: MqttClient, filter: string): Promise<void> {
  const refusal = new CommandFailure(`the server refused the subscription to ${filter}`)
  const answer = client.subscribeAsync(filter, { qos: 1 }).catch((error: unknown) => {
    throw error instanceof Error && 'packet' in error ? refusal : invalidOrLost(error, filter)
  })
  const granted = await Promise.race([answer, connectionLost(client)])
  if (granted.some(({ qos }) => qos === 128)) throw refusal
}

function invalidOrLost(error: unknown, filter: string): CommandFailure {
  const isInvalid = error instanceof Error && error.message.startsWith('Invalid topic')
  if (isInvalid) return usageFailure(`${JSON.stringify(filter)} is not a topic filter`)
  return new CommandFailure('the server closed the connection')
}

export interface Message {
  readonly topic: string
  readonly text: string
}

/** Publishes at QoS 1 and resolves when the server has acknowledged. Throws `CommandFailure` with
 * the server's explanation when it refused the message. */
export async function publish(
  chat: { readonly client: MqttClient; readonly clientId: string },
  user: string,
  message: Message,
): Promise<void> {
  const { client, clientId } = chat
  const errorTopic = userTopic(user, 'error')
  let explanation: string | undefined
  client.on('message', (topic, payload) => {
    if (topic === errorTopic) explanation ??= explanationFor(clientId, payload)
  })
  await subscribe(client, errorTopic)
  const deadline = new AbortController()
  try {
    await Promise.race([
      client.publishAsync(message.topic, message.text, { qos: 1 }),
      connectionLost(client),
      expire(deadline.signal),
    ])
  } finally {
    deadline.abort()
  }
  // The server explains before it acknowledges, so that it is known by now.
  if (explanation !== undefined) throw new CommandFailure(explanation)
}

function expire(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const timer = setTimeout(
      () => reject(new CommandFailure('no acknowledgement: the message may not be stored')),
      acknowledgeTimeoutMs,
    )
    signal.addEventListener('abort', () => clearTimeout(timer))
  })
}

function explanationFor(clientId: string, payload: Buffer): string | undefined {
  let content: unknown
  try {
    content = JSON.parse(payload.toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof content !== 'object' || content === null) return undefined
  const { clientId: addressee, detail, code } = content as Record<string, unknown>
  return addressee === clientId ? `the server refused the message: ${detail ?? code}` : undefined
}
