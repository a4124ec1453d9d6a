// Clients of MQTT 5 that use plain topics, at a server with chat and in the trusted mode alike.

import { Buffer } from 'node:buffer'
import type { IConnectPacket, IPublishPacket, ISubscription } from 'mqtt-packet'
import type { Test } from 'tap'
import type { RawClient, RawOptions } from '../support/raw-client.ts'
import { openRaw } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

type Fields = Partial<IConnectPacket>
type Properties = NonNullable<IPublishPacket['properties']>

/** A server, and how a client of it connects. */
export interface Mode {
  readonly name: string
  /** Connects at level 5, with a new session unless `fields` say otherwise; resolves with its
   * CONNACK received. */
  join(t: Test, id: string, fields?: Fields, options?: RawOptions): Promise<RawClient>
}

/** Both modes; the servers end with the test. */
export async function startModes(t: Test): Promise<readonly Mode[]> {
  const chat = await startTestServer(t, { openTopics: 't/#' })
  const trusted = await startTestServer(t, { openTopics: '#', anonymous: 'true' })
  await chat.addUser('alice')
  const password = Buffer.from(await chat.token('alice'))
  const make = (name: string, server: typeof chat, who: Fields): Mode => ({
    name,
    async join(t, clientId, fields = {}, options = {}) {
      const { level = 5 } = options
      const client = await openRaw(t, server, { ...options, level })
      const protocol = { protocolId: 'MQTT', protocolVersion: level } as const
      const base = { cmd: 'connect', ...protocol, clientId, clean: true, keepalive: 0 } as const
      client.send({ ...base, ...who, ...fields })
      await client.wait('connack')
      return client
    },
  })
  return [
    make('a server with chat', chat, { username: 'alice', password }),
    make('the trusted mode', trusted, {}),
  ]
}

/** A session that is kept, for so many seconds. */
export function kept(seconds = 100, clean = false): Fields {
  return { clean, properties: { sessionExpiryInterval: seconds } }
}

let packetIds = 0

/** Subscribes, and resolves with the codes of the SUBACK. */
export async function subscribe(
  client: RawClient,
  filters: readonly (string | (Omit<ISubscription, 'qos'> & { readonly qos?: 0 | 1 | 2 }))[],
  subscriptionIdentifier?: number,
): Promise<readonly unknown[]> {
  const messageId = ++packetIds
  const subscriptions = filters.map((it) => ({
    qos: 1 as const,
    ...(typeof it === 'string' ? { topic: it } : it),
  }))
  const properties = subscriptionIdentifier === undefined ? {} : { subscriptionIdentifier }
  client.send({ cmd: 'subscribe', messageId, subscriptions, properties })
  const answer = () => client.of('suback').find((it) => it.messageId === messageId)
  await until('a SUBACK', () => answer() !== undefined)
  return (answer()?.granted ?? []) as readonly unknown[]
}

/** Publishes at QoS 1 and waits for the PUBACK; resolves with its reason code. */
export async function publish(
  client: RawClient,
  topic: string,
  payload: string | Buffer,
  fields: Partial<IPublishPacket> & { readonly properties?: Properties } = {},
): Promise<number | undefined> {
  const messageId = ++packetIds
  const packet = { cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false } as const
  client.send({ ...packet, messageId, ...fields })
  const answer = () => client.of('puback').find((it) => it.messageId === messageId)
  await until('a PUBACK', () => answer() !== undefined)
  return answer()?.reasonCode
}

/** Resolves with all messages once those that were sent before have come. */
export async function heard(client: RawClient): Promise<IPublishPacket[]> {
  const before = client.of('pingresp').length
  client.send({ cmd: 'pingreq' })
  await client.wait('pingresp', before + 1)
  return client.of('publish')
}
