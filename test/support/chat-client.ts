// MQTT.js as tests use it: connected, with what it received kept in order.

import type { IClientOptions, MqttClient } from 'mqtt'
import mqtt from 'mqtt'
import { lasting, testLevel } from './level.ts'
import type { TestServer } from './server.ts'

/** A message as a subscriber gets it. */
interface Received {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: number
  readonly dup: boolean
  readonly json: Record<string, unknown>
}

export interface ChatClient {
  readonly mqtt: MqttClient
  readonly received: Received[]
  /** What was received under a `msg` leaf. */
  readonly messages: Received[]
  /** Whether the server said that it knew the device. */
  readonly sessionPresent: boolean
  /** Texts of messages received, under this topic only if one is given, in order. */
  texts(topic?: string): unknown[]
  close(): Promise<void>
}

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

/** Connects a user's device, with `clean=false` and at the level of the test run unless `options`
 * say otherwise; closed when the test ends. Rejects when the server refuses. */
export async function connectDevice(
  t: Owner,
  server: Pick<TestServer, 'mqttPort' | 'httpPort' | 'token'>,
  device: { readonly user: string; readonly id: string; readonly webSocket?: boolean },
  options: IClientOptions = {},
): Promise<ChatClient> {
  const url = device.webSocket
    ? `ws://127.0.0.1:${server.httpPort}/mqtt`
    : `mqtt://127.0.0.1:${server.mqttPort}`
  const level = options.protocolVersion ?? testLevel
  const isLasting = options.protocolVersion === undefined && options.clean !== true
  const client = mqtt.connect(url, {
    username: device.user,
    password: options.password ?? (await server.token(device.user)),
    clientId: device.id,
    clean: false,
    reconnectPeriod: 0,
    connectTimeout: 5000,
    protocolVersion: level,
    protocolId: level === 3 ? 'MQIsdp' : 'MQTT',
    ...(!isLasting || lasting === undefined ? {} : { properties: lasting }),
    ...options,
  })
  const received: Received[] = []
  const messages: Received[] = []
  client.on('message', (topic, payload, { qos, dup }) => {
    const message = { topic, payload, qos, dup, json: parse(payload) }
    received.push(message)
    if (topic.endsWith('/msg')) messages.push(message)
  })
  t.teardown(() => client.endAsync(true))
  const { sessionPresent } = await new Promise<{ sessionPresent: boolean }>((resolve, reject) => {
    client.once('connect', resolve)
    client.once('error', reject)
    client.once('close', () => reject(new Error('the connection was closed')))
  })
  client.on('error', () => {})
  return {
    mqtt: client,
    received,
    messages,
    sessionPresent,
    texts: (topic) =>
      messages
        .filter((message) => topic === undefined || message.topic === topic)
        .map((message) => message.json.text),
    close: () => client.endAsync(),
  }
}

function parse(payload: Buffer): Record<string, unknown> {
  try {
    return JSON.parse(payload.toString()) as Record<string, unknown>
  } catch {
    return {}
  }
}
