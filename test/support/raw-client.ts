// A client that says what it is told to, byte by byte if need be, and keeps what it hears: for
// what no well-behaved client library would send, and for what one would hide.

import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import type { IConnectPacket, IPublishPacket, ISubscribePacket, Packet } from 'mqtt-packet'
import mqtt from 'mqtt-packet'
import webSocketStream from 'websocket-stream'
import type { Level } from './level.ts'
import { lasting, testLevel } from './level.ts'
import type { TestServer } from './server.ts'
import { until } from './until.ts'

export interface RawClient {
  readonly stream: Duplex
  /** The stream, or what is under the WebSocket. */
  readonly network: Duplex
  /** Every packet the server sent, in order. */
  readonly packets: Packet[]
  /** Writes packets, or bytes as they are, in one piece. */
  send(...packets: readonly (Packet | Uint8Array)[]): void
  /** The received packets of a kind. */
  of<Kind extends Packet['cmd']>(kind: Kind): Extract<Packet, { cmd: Kind }>[]
  /** Waits for so many packets of a kind, and returns them. */
  wait<Kind extends Packet['cmd']>(
    kind: Kind,
    count?: number,
  ): Promise<Extract<Packet, { cmd: Kind }>[]>
  /** Stops taking bytes from the network, as a client does that hangs. */
  pause(): void
  resume(): void
  /** Whether the server has ended the connection. */
  isClosed(): boolean
  /** Waits until it has; rejects after `ms`. */
  closed(ms?: number): Promise<void>
}

export interface RawOptions {
  /** Of the protocol; that of the test run if absent. */
  readonly level?: Level
  /** Over WebSocket instead of TCP. */
  readonly webSocket?: boolean
  /** Whether QoS 1 messages are acknowledged as they come; true if absent. */
  readonly acknowledge?: boolean
  /** For the WebSocket upgrade. */
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
}

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

/** Opens a connection and says nothing yet; cut when the test ends. */
export async function openRaw(
  t: Owner,
  server: TestServer,
  options: RawOptions = {},
): Promise<RawClient> {
  const stream = options.webSocket
    ? openWebSocket(server, options)
    : connectTcp({ port: server.mqttPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: false })
  t.teardown(() => {
    networkOf(stream).destroy()
    stream.destroy()
  })
  const client = makeRawClient(stream, options)
  await once(stream, 'connect')
  return client
}

function openWebSocket(server: TestServer, { query = '', headers = {} }: RawOptions): Duplex {
  const url = `ws://127.0.0.1:${server.httpPort}/mqtt${query}`
  return webSocketStream(url, ['mqtt'], { headers })
}

function makeRawClient(stream: Duplex, { level = 4, acknowledge = true }: RawOptions): RawClient {
  const packets: Packet[] = []
  // The level of what comes is that of the CONNECT which went out.
  const protocol: { protocolVersion: Level } = { protocolVersion: level }
  const parser = mqtt.parser(protocol)
  let isClosed = false
  parser.on('error', () => {})
  parser.on('packet', (packet) => {
    packets.push(packet)
    if (acknowledge && packet.cmd === 'publish' && packet.qos === 1) {
      stream.write(mqtt.generate({ cmd: 'puback', messageId: packet.messageId ?? 0 }))
    }
  })
  stream.on('data', (chunk: Buffer) => parser.parse(chunk))
  stream.on('error', () => {})
  for (const event of ['end', 'close']) {
    stream.on(event, () => {
      isClosed = true
    })
  }
  const of: RawClient['of'] = (kind) => packets.filter((packet) => packet.cmd === kind) as never
  return {
    stream,
    get network() {
      return networkOf(stream)
    },
    packets,
    of,
    send(...given) {
      for (const it of given) {
        if ('cmd' in it && it.cmd === 'connect') protocol.protocolVersion = it.protocolVersion ?? 4
      }
      stream.write(
        Buffer.concat(
          given.map((it) => (it instanceof Uint8Array ? it : mqtt.generate(it, protocol))),
        ),
      )
    },
    async wait(kind, count = 1) {
      await until(`${count} ${kind}`, () => of(kind).length >= count)
      return of(kind)
    },
    pause: () => void networkOf(stream).pause(),
    resume: () => void networkOf(stream).resume(),
    isClosed: () => isClosed,
    closed: (ms) => until('the server ends the connection', () => isClosed, ms),
  }
}

/** The socket under a WebSocket: websocket-stream reads on when it is paused itself. */
function networkOf(stream: Duplex): Duplex {
  const { socket } = stream as Duplex & { socket?: { _socket: Duplex } }
  return socket?._socket ?? stream
}

/** A CONNECT of a user's device, with `clean=false` and no keep-alive unless `fields` say
 * otherwise. */
export async function connectPacket(
  server: TestServer,
  device: { readonly user: string; readonly id: string } & Pick<RawOptions, 'level'>,
  fields: Partial<IConnectPacket> = {},
): Promise<IConnectPacket> {
  const { user, id, level = testLevel } = device
  const isLasting = device.level === undefined && fields.clean !== true
  return {
    cmd: 'connect',
    protocolId: level === 3 ? 'MQIsdp' : 'MQTT',
    protocolVersion: level,
    clientId: id,
    clean: false,
    keepalive: 0,
    username: user,
    password: Buffer.from(await server.token(user)),
    ...(isLasting && lasting !== undefined ? { properties: lasting } : {}),
    ...fields,
  }
}

/** Opens a connection and connects a device; resolves with its CONNACK received. */
export async function connectRaw(
  t: Owner,
  server: TestServer,
  device: { readonly user: string; readonly id: string } & RawOptions,
  fields: Partial<IConnectPacket> = {},
): Promise<RawClient> {
  const packet = await connectPacket(server, device, fields)
  const client = await openRaw(t, server, device)
  client.send(packet)
  await client.wait('connack')
  return client
}

/** A PUBLISH at QoS 1; at QoS 0 when the packet id is 0. */
export function publishPacket(
  topic: string,
  payload: string | Buffer,
  messageId: number,
): IPublishPacket {
  const qos = messageId === 0 ? 0 : 1
  return { cmd: 'publish', topic, payload, messageId, qos, dup: false, retain: false }
}

export function subscribePacket(filter: string, messageId: number): ISubscribePacket {
  return { cmd: 'subscribe', messageId, subscriptions: [{ topic: filter, qos: 1 }] }
}

/** A control packet of bytes: first byte, length, body. */
export function bytesOf(header: number, ...body: readonly (Uint8Array | number)[]): Buffer {
  const rest = Buffer.concat(body.map((it) => (typeof it === 'number' ? Buffer.of(it) : it)))
  const length: number[] = []
  let left = rest.length
  for (; left >= 0x80; left >>= 7) length.push((left & 0x7f) | 0x80)
  length.push(left)
  return Buffer.concat([Buffer.of(header, ...length), rest])
}

/** A string as MQTT writes it: its length in two bytes, then its bytes. */
export function field(text: string | Uint8Array): Buffer {
  const bytes = Buffer.from(text as string)
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes])
}
