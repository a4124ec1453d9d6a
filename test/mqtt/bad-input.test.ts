// Packets that break MQTT or a bound: the connection closes, nothing is answered, nobody else
// notices. Bytes of MQTT 3.1.1; malformed.test.ts has those of every level.

import mqtt from 'mqtt-packet'
import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import {
  bytesOf,
  connectPacket,
  connectRaw,
  field,
  openRaw,
  publishPacket,
  subscribePacket,
} from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { makeBystanders } from './bystanders.ts'

const limits = { packetBytesMax: '70000', preConnectBytesMax: '2000' }
const server = await startTestServer(t, limits)
const bystanders = await makeBystanders(t, server)
const mallory = { user: 'mallory', id: 'phone', level: 4 } as const
await server.addUser('mallory')

const id = Buffer.of(0, 7)
const publish = (topic: string | Uint8Array) =>
  bytesOf(0x32, field(topic), id, Buffer.from('hello'))

/** Sends bytes to a connected client's connection, which must end without an answer. A good publish
 * behind them must not be taken. */
async function closes(t: Parameters<typeof openRaw>[0], bytes: Uint8Array): Promise<RawClient> {
  const client = await connectRaw(t, server, mallory, { clean: true })
  client.send(bytes, publishPacket('u/dave/msg', 'after the end', 9))
  await client.closed(2000)
  return client
}

t.test('a publish topic that no topic may be ends the connection', async (t) => {
  const topics: Record<string, string | Uint8Array> = {
    'a + of its own': '+',
    'a + within': 'u/+/msg',
    'a + in a name': 'u/da+ve/msg',
    'a #': '#',
    'a # at the end': 'u/dave/#',
    'all groups': 'g/+/msg',
    'a $ topic': '$SYS/broker/uptime',
    'a log topic': '$log/g:club',
    'a shared subscription': '$share/x/u/dave/msg',
    'a NUL': 'u/dave\0/msg',
    'a NUL at the end': 'u/dave/msg\0',
    'no topic': '',
    'over 100 levels': `u${'/'.repeat(100)}msg`,
    '65,535 levels': '/'.repeat(65_534),
    'a lone continuation byte': Buffer.from([0x75, 0x2f, 0x80]),
    'an overlong encoding of /': Buffer.from([0x75, 0xc0, 0xaf]),
    'a surrogate in UTF-8': Buffer.from([0x75, 0xed, 0xa0, 0x80]),
    'latin-1': Buffer.from('u/josé/msg', 'latin1'),
  }
  for (const [what, topic] of Object.entries(topics)) {
    const { packets } = await closes(t, publish(topic))
    t.same(
      packets.map(({ cmd }) => cmd),
      ['connack'],
      what,
    )
  }
  await bystanders.areUnharmed(t)
})

t.test('a packet that breaks the protocol ends the connection', async (t) => {
  const again = await connectPacket(server, mallory)
  const broken: Record<string, Buffer> = {
    'a PUBLISH of QoS 3': bytesOf(0x36, field('u/dave/msg'), id, Buffer.from('x')),
    'DUP at QoS 0': bytesOf(0x38, field('u/dave/msg'), Buffer.from('x')),
    'a PUBLISH of packet id 0': bytesOf(0x32, field('u/dave/msg'), 0, 0, Buffer.from('x')),
    'a PUBLISH of QoS 2 and packet id 0': bytesOf(0x34, field('u/dave/msg'), 0, 0),
    'an empty PUBLISH': bytesOf(0x30),
    'a PUBLISH that ends in its topic': bytesOf(0x30, 0, 200, Buffer.from('u/dave/msg')),
    'a PUBLISH that ends in its packet id': bytesOf(0x32, field('u/dave/msg'), 0),
    'a second CONNECT': mqtt.generate(again),
    'a PUBACK of packet id 0': bytesOf(0x40, 0, 0),
    'a PUBACK of one byte': bytesOf(0x40, 1),
    'a PUBACK of three bytes': bytesOf(0x40, 0, 1, 0),
    'a PUBREL of packet id 0': bytesOf(0x62, 0, 0),
    'a SUBSCRIBE of nothing': bytesOf(0x82, id),
    'a SUBSCRIBE of packet id 0': bytesOf(0x82, 0, 0, field('u/mallory/#'), 1),
    'a SUBSCRIBE of QoS 3': bytesOf(0x82, id, field('u/mallory/#'), 3),
    'a SUBSCRIBE with wrong flags': bytesOf(0x80, id, field('u/mallory/#'), 1),
    'a SUBSCRIBE without a QoS': bytesOf(0x82, id, field('u/mallory/#')),
    'an empty SUBSCRIBE': bytesOf(0x82),
    'an UNSUBSCRIBE of nothing': bytesOf(0xa2, id),
    'an UNSUBSCRIBE with wrong flags': bytesOf(0xa0, id, field('u/mallory/#')),
    'packet type 0': bytesOf(0x00),
    'a CONNACK': bytesOf(0x20, 0, 0),
    'a PUBREC': bytesOf(0x50, id),
    'a PUBCOMP': bytesOf(0x70, id),
    'a SUBACK': bytesOf(0x90, id, 0),
    'an UNSUBACK': bytesOf(0xb0, id),
    'a PINGRESP': bytesOf(0xd0),
    'packet type 15': bytesOf(0xf0),
    'a PINGREQ with wrong flags': bytesOf(0xc1),
    'a length of five bytes': Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01]),
    'a length of zeros without end': Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x80]),
    'a packet of 256 MB that is only announced': Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]),
    'a packet above the limit': bytesOf(0x30, field('u/dave/msg'), Buffer.alloc(70_000)),
  }
  for (const [what, bytes] of Object.entries(broken)) {
    const { packets } = await closes(t, bytes).catch(() => ({ packets: [{ cmd: 'stays open' }] }))
    t.same(
      packets.map(({ cmd }) => cmd),
      ['connack'],
      what,
    )
  }
  await bystanders.areUnharmed(t)
})

t.test('an aggressor over WebSocket is closed in the same way', async (t) => {
  for (const bytes of [publish('u/+/msg'), bytesOf(0x36, field('u/dave/msg'), id), bytesOf(0)]) {
    const client = await connectRaw(t, server, { ...mallory, webSocket: true })
    client.send(bytes)
    await client.closed()
    t.same(
      client.packets.map(({ cmd }) => cmd),
      ['connack'],
    )
  }
  const client = await connectRaw(t, server, { ...mallory, webSocket: true })
  client.send(Buffer.alloc(200_000))
  await client.closed()
  await bystanders.areUnharmed(t)
})

t.test('before CONNECT nothing else is taken', async (t) => {
  const early: Record<string, Buffer> = {
    PUBLISH: publish('u/dave/msg'),
    SUBSCRIBE: bytesOf(0x82, id, field('u/dave/#'), 1),
    PINGREQ: bytesOf(0xc0),
    DISCONNECT: bytesOf(0xe0),
    'a large packet that is only announced': Buffer.from([0x10, 0xd1, 0x0f]),
    '256 MB that are only announced': Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]),
  }
  for (const [what, bytes] of Object.entries(early)) {
    const client = await openRaw(t, server)
    client.send(bytes)
    await client.closed()
    t.same(client.packets, [], what)
  }
  await bystanders.areUnharmed(t)
})

t.test('what comes with a CONNECT that is refused is not taken', async (t) => {
  const client = await openRaw(t, server)
  const packet = await connectPacket(server, mallory, { password: Buffer.from('no') })
  client.send(packet, publishPacket('u/dave/msg', 'smuggled', 1), subscribePacket('u/dave/#', 2))
  await client.closed()
  t.same(
    client.packets.map(({ cmd }) => cmd),
    ['connack'],
  )
  await bystanders.areUnharmed(t)
})

t.test('a connection that is cut in the middle of a packet harms nobody', async (t) => {
  for (const bytes of [publish('u/dave/msg').subarray(0, 10), Buffer.from([0x32, 0x80])]) {
    const client = await connectRaw(t, server, mallory, { clean: true })
    client.send(bytes)
    client.stream.end()
    await client.closed()
    const other = await connectRaw(t, server, mallory)
    other.send(bytes)
    other.stream.destroy()
    await until('it is gone', () => other.isClosed())
  }
  await bystanders.areUnharmed(t)
})

t.test('an acknowledgement of nothing is ignored', async (t) => {
  const client = await connectRaw(t, server, mallory, { clean: true })
  client.send(bytesOf(0x40, 0, 1), bytesOf(0x40, 0xff, 0xff), bytesOf(0x40, 0x80, 0), bytesOf(0xc0))
  await client.wait('pingresp')
  client.send(bytesOf(0x62, 0, 77))
  const [pubcomp] = await client.wait('pubcomp')
  t.equal(pubcomp?.messageId, 77, 'an unknown PUBREL is answered')
  t.notOk(client.isClosed())
  await bystanders.areUnharmed(t)
})
