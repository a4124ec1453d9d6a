// MQTT over WebSocket: what the frames are, and who is cut.

import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Packet } from 'mqtt-packet'
import mqtt from 'mqtt-packet'
import type { Test } from 'tap'
import t from 'tap'
import type { ClientOptions } from 'ws'
import { WebSocket } from 'ws'
import { protocol } from '../support/level.ts'
import { connectPacket, connectRaw, publishPacket, subscribePacket } from '../support/raw-client.ts'
import type { TestServer } from '../support/server.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { makeBystanders } from './bystanders.ts'

interface Client {
  readonly webSocket: WebSocket
  /** The packets of each frame, in order. */
  readonly frames: Packet[][]
  /** Under the WebSocket. */
  readonly network: Socket
}

async function open(t: Test, server: TestServer, options: ClientOptions = {}): Promise<Client> {
  const webSocket = new WebSocket(`ws://127.0.0.1:${server.httpPort}/mqtt`, ['mqtt'], options)
  webSocket.on('error', () => {})
  t.teardown(() => webSocket.terminate())
  const frames: Packet[][] = []
  webSocket.on('message', (data) => frames.push(parse(data as Buffer)))
  await once(webSocket, 'open')
  const network = (webSocket as unknown as { readonly _socket: Socket })._socket
  return { webSocket, frames, network }
}

/** The whole packets that a frame holds; an error is a packet that is not whole. */
function parse(data: Buffer): Packet[] {
  const parser = mqtt.parser(protocol)
  const packets: Packet[] = []
  parser.on('packet', (packet) => packets.push(packet))
  const rest = parser.parse(data)
  if (rest > 0) throw new Error(`a frame ends with ${rest} bytes of a packet`)
  return packets
}

const bytes = (...packets: Packet[]) =>
  Buffer.concat(packets.map((it) => mqtt.generate(it, protocol)))
const kinds = ({ frames }: Client) => frames.map((packets) => packets.map(({ cmd }) => cmd))

t.test('packets may be split over frames and joined in one [MQTT-6.0.0-2]', async (t) => {
  const server = await startTestServer(t)
  const packet = await connectPacket(server, { user: 'alice', id: 'phone' })
  const client = await open(t, server)
  for (const byte of bytes(packet)) client.webSocket.send(Buffer.of(byte))
  await until('the CONNACK', () => client.frames.length === 1)
  const publishes = [1, 2, 3].map((id) => publishPacket('u/alice/msg', `note ${id}`, id))
  client.webSocket.send(bytes(...publishes, { cmd: 'pingreq' }))
  await until('all answers', () => client.frames.length >= 5)
  t.same(kinds(client).flat().sort(), ['connack', 'pingresp', 'puback', 'puback', 'puback'])
  const halves = bytes(publishPacket('u/alice/msg', 'note 4', 4), { cmd: 'pingreq' })
  client.webSocket.send(halves.subarray(0, 9), { fin: false })
  client.webSocket.send(halves.subarray(9), { fin: true })
  await until('these too', () => client.frames.length >= 7)
})

t.test('each packet to a client is one frame, also when many leave together', async (t) => {
  const server = await startTestServer(t)
  const packet = await connectPacket(server, { user: 'alice', id: 'browser' })
  const client = await open(t, server)
  client.webSocket.send(bytes(packet, subscribePacket('u/alice/msg', 1)))
  await until('the SUBACK', () => client.frames.length === 2)
  const phone = await connectRaw(t, server, { user: 'alice', id: 'phone' })
  const ids = Array.from({ length: 100 }, (_, index) => index + 1)
  phone.send(...ids.map((id) => publishPacket('u/alice/msg', 'x'.repeat(id * 10), id)))
  await until('all came', () => client.frames.length >= 102)
  t.same(kinds(client), [['connack'], ['suback'], ...ids.map(() => ['publish'])])
})

t.test('a frame above the largest packets ends the connection with 1009', async (t) => {
  const server = await startTestServer(t, { packetBytesMax: '262144' })
  const bystanders = await makeBystanders(t, server)
  const client = await open(t, server)
  client.webSocket.send(bytes(await connectPacket(server, { user: 'alice', id: 'phone' })))
  await until('the CONNACK', () => client.frames.length === 1)
  const closed = once(client.webSocket, 'close')
  client.webSocket.send(Buffer.alloc(262_144 * 2 + 1))
  const [code] = await closed
  t.equal(code, 1009)
  await bystanders.areUnharmed(t)
})

t.test('who never ends the close handshake is counted, and cut', async (t) => {
  const places = 12
  const server = await startTestServer(t, {
    limitsExempt: 'none',
    connectionsPerAddressMax: String(places),
  })
  const bystanders = await makeBystanders(t, server)
  const inside: Client[] = []
  while (inside.length < places - 2) inside.push(await open(t, server))
  await t.rejects(open(t, server), /429/)
  for (const { webSocket, network } of inside) {
    webSocket.send('this is no binary frame')
    await until('it is sent', () => network.writableLength === 0)
    network.pause()
  }
  await bystanders.areUnharmed(t)
  await until('there is room again', () =>
    open(t, server).then(
      () => true,
      () => false,
    ),
  )
  for (const { network } of inside) network.resume()
  await until('all were cut', () => inside.every(({ network }) => network.closed))
})

t.test(
  'a client that is gone without a word is found by a ping, however idle others',
  async (t) => {
    const server = await startTestServer(t, { webSocketPingMs: '200' })
    const bystanders = await makeBystanders(t, server)
    const connect = async (id: string, options?: ClientOptions) => {
      const client = await open(t, server, options)
      client.webSocket.send(bytes(await connectPacket(server, { user: 'alice', id })))
      await until('the CONNACK', () => client.frames.length === 1)
      return client
    }
    const [idle, gone] = [await connect('idle'), await connect('gone', { autoPong: false })]
    let pings = 0
    idle.webSocket.on('ping', () => pings++)
    const [code] = await once(gone.webSocket, 'close')
    t.equal(code, 1006)
    await until('the idle one was pinged', () => pings >= 3)
    t.equal(idle.webSocket.readyState, WebSocket.OPEN)
    idle.webSocket.send(bytes({ cmd: 'pingreq' }))
    await until('it is served', () => idle.frames.length === 2)
    await bystanders.areUnharmed(t)
  },
)
