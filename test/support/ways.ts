// The ways to a server's plain topics: normal and trusted mode, over TCP and over WebSocket. What
// the specification says of them holds on each.

import type { IConnectPacket, IPublishPacket, QoS } from 'mqtt-packet'
import type { Test } from 'tap'
import { codesOf, lasting, protocol } from './level.ts'
import type { RawClient } from './raw-client.ts'
import { connectPacket, openRaw, publishPacket } from './raw-client.ts'
import type { TestServer } from './server.ts'
import { startTestServer } from './server.ts'

export interface JoinOptions extends Partial<IConnectPacket> {
  /** Whether QoS 1 messages are acknowledged as they come; true if absent. */
  readonly acknowledge?: boolean
}

/** One way: a mode of the server, and a transport. */
export interface Way {
  readonly name: string
  readonly isTrusted: boolean
  readonly server: TestServer
  /** Opens a connection, and says nothing yet. */
  open(t: Test, options?: { readonly acknowledge?: boolean }): Promise<RawClient>
  /** A CONNECT of the client, with `clean=true` and no keep-alive unless `fields` say otherwise. */
  connect(id: string, fields?: Partial<IConnectPacket>): Promise<IConnectPacket>
  /** Connects a client; resolves with its CONNACK received. */
  join(t: Test, id: string, options?: JoinOptions): Promise<RawClient>
}

/** Settings of a server in each mode. */
const modes = {
  'normal mode': { openTopics: 't/#' },
  'trusted mode': { openTopics: '#', anonymous: 'true' },
} as const

/** Starts a server in each mode, and returns the four ways to them. */
export async function openWays(
  t: Test,
  flags: Readonly<Record<string, string>> = {},
): Promise<readonly Way[]> {
  const ways: Way[] = []
  for (const [mode, own] of Object.entries(modes)) {
    const server = await startTestServer(t, { ...flags, ...own })
    for (const [transport, webSocket] of [
      ['TCP', false],
      ['WebSocket', true],
    ] as const) {
      const name = `${mode} over ${transport}`
      ways.push(makeWay(server, { name, webSocket, isTrusted: 'anonymous' in own }))
    }
  }
  return ways
}

function makeWay(
  server: TestServer,
  { name, webSocket, isTrusted }: Pick<Way, 'name' | 'isTrusted'> & { readonly webSocket: boolean },
): Way {
  const open: Way['open'] = (t, options = {}) => openRaw(t, server, { webSocket, ...options })
  const connect: Way['connect'] = async (id, fields = {}) => {
    const all = { clean: true, keepalive: 0, ...fields }
    if (isTrusted) {
      const kept = all.clean || lasting === undefined ? {} : { properties: lasting }
      return { cmd: 'connect', ...protocol, clientId: id, ...kept, ...all }
    }
    return connectPacket(server, { user: 'alice', id }, all)
  }
  return {
    name,
    isTrusted,
    server,
    open,
    connect,
    async join(t, id, { acknowledge = true, ...fields } = {}) {
      const packet = await connect(id, fields)
      const client = await open(t, { acknowledge })
      client.send(packet)
      await client.wait('connack')
      return client
    },
  }
}

/** Runs a case on each way, as a test of its own, at the same time. `name` is one that nobody else
 * uses. */
export function onEachWay(
  t: Test,
  ways: readonly Way[],
  statement: { readonly title: string; run(t: Test, way: Way, name: string): Promise<void> },
): void {
  t.jobs = ways.length
  for (const [index, way] of ways.entries()) {
    const name = `${statement.title.replace(/[^a-z]+/gi, '-').slice(0, 60)}-${index}`
    const title = `${statement.title} (${way.name})`
    t.test(title, { buffered: true }, (t) => statement.run(t, way, name))
  }
}

/** Subscribes to filters, and returns the codes of the answer. */
export async function subscribe(
  client: RawClient,
  ...filters: readonly (readonly [filter: string, qos: QoS])[]
): Promise<readonly unknown[]> {
  const before = client.of('suback').length
  const subscriptions = filters.map(([topic, qos]) => ({ topic, qos }))
  client.send({ cmd: 'subscribe', messageId: before + 1, subscriptions })
  return codesOf((await client.wait('suback', before + 1)).at(-1))
}

export async function unsubscribe(client: RawClient, ...filters: string[]): Promise<void> {
  const before = client.of('unsuback').length
  client.send({ cmd: 'unsubscribe', messageId: before + 1, unsubscriptions: filters })
  await client.wait('unsuback', before + 1)
}

/** Publishes at a QoS, from a connection of its own, and waits for what answers it. */
export async function publish(
  t: Test,
  way: Way,
  ...messages: readonly (Pick<IPublishPacket, 'topic' | 'payload'> & Partial<IPublishPacket>)[]
): Promise<void> {
  const client = await way.join(t, `publisher-${Math.random().toString(36).slice(2)}`)
  const packets = messages.map((message, index) => {
    const { topic, payload, qos = 1 } = message
    return { ...publishPacket(topic, payload, qos === 0 ? 0 : index + 1), ...message, qos }
  })
  client.send(...packets)
  await client.wait('puback', packets.filter(({ qos }) => qos === 1).length)
  await client.wait('pubrec', packets.filter(({ qos }) => qos === 2).length)
  await settle(client)
  await leave(client)
}

/** Everything the client sent was handled, and what is on its way to it has come. */
export async function settle(client: RawClient): Promise<void> {
  const before = client.of('pingresp').length
  client.send({ cmd: 'pingreq' })
  await client.wait('pingresp', before + 1)
}

export async function leave(client: RawClient): Promise<void> {
  client.send({ cmd: 'disconnect' })
  await client.closed()
}

/** What the client heard: payloads, with QoS if `show` says so. */
export function heard(client: RawClient): string[] {
  return client.of('publish').map(({ payload }) => payload.toString())
}
