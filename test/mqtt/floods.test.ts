// Clients that send what must be answered, as fast as they can, and read no answer: they are not
// read either, cost a bounded amount of memory, are cut after a time, and hold nobody up.

import type { Packet } from 'mqtt-packet'
import mqtt from 'mqtt-packet'
import type { Test } from 'tap'
import t from 'tap'
import { noProperties, protocol } from '../support/level.ts'
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
import type { TestServer } from '../support/server.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { bufferBytes, buffersAreBounded } from './buffers.ts'
import { makeBystanders } from './bystanders.ts'

type Floods = Readonly<Record<string, Buffer>>

const repeat = (count: number, make: (id: number) => Packet | Buffer) =>
  Buffer.concat(
    Array.from({ length: count }, (_, index) => {
      const packet = make(index + 1)
      return packet instanceof Uint8Array ? packet : mqtt.generate(packet, protocol)
    }),
  )

/** SUBSCRIBE with as many filters as a packet may hold. */
function subscribeOften(filter: string): Buffer {
  const one = Buffer.concat([field(filter), Buffer.of(1)])
  return bytesOf(0x82, Buffer.of(0, 1), noProperties, ...Array<Buffer>(1000).fill(one))
}

function unsubscribeOften(filter: string): Buffer {
  return bytesOf(0xa2, Buffer.of(0, 1), noProperties, ...Array<Buffer>(1000).fill(field(filter)))
}

/** What is answered in a few bytes, so that it takes a while until answers pile up. */
const unread: Floods = {
  pings: Buffer.alloc(60_000, Buffer.of(0xc0, 0)),
  'releases of nothing': repeat(10_000, (messageId) => ({ cmd: 'pubrel', messageId })),
}

/** What is dear to answer. */
const dear: Floods = {
  'messages of chat': repeat(500, (id) => publishPacket('u/mallory/msg', 'x', id)),
  'messages of plain topics': repeat(500, (id) => publishPacket('t/x', 'x', id)),
  'messages of both': repeat(500, (id) => publishPacket(id % 2 ? 't/x' : 'u/mallory/msg', 'x', id)),
  'refused subscriptions': subscribeOften('x'),
  'subscriptions of chat': subscribeOften('g/+/msg'),
  'subscriptions of plain topics': subscribeOften('t/x'),
  'ends of subscriptions': unsubscribeOften('t/x'),
  'subscriptions that begin and end': repeat(500, (messageId) =>
    messageId % 2
      ? subscribePacket(`t/${messageId % 7}`, messageId)
      : { cmd: 'unsubscribe', messageId, unsubscriptions: ['t/1', 't/3'] },
  ),
}

/** A masked frame (RFC 6455, section 5.2); the mask is 0. */
function frame(bytes: Buffer): Buffer {
  const header = Buffer.alloc(14)
  header.set([0x82, 0xff])
  header.writeUInt32BE(bytes.length, 6)
  return Buffer.concat([header, bytes])
}

interface Flood {
  readonly what: string
  /** How often the bytes were sent. */
  sent: number
  isCut: boolean
}

/** Sends as much as the server takes, until it cuts the client. */
function flood({ network }: RawClient, bytes: Buffer, what: string): Flood {
  const state: Flood = { what, sent: 0, isCut: false }
  const write = () => {
    // One piece more than there is room for, and in turns with the others.
    if (network.destroyed || network.writableNeedDrain) return
    network.write(bytes)
    state.sent++
    setImmediate(write)
  }
  for (const event of ['error', 'close']) {
    network.on(event, () => {
      state.isCut = true
    })
  }
  network.on('drain', write)
  write()
  return state
}

/** A client of mallory's for each flood. */
async function connectEach(t: Test, server: TestServer, floods: Floods, webSocket = false) {
  const clients: { what: string; bytes: Buffer; client: RawClient }[] = []
  for (const [what, bytes] of Object.entries(floods)) {
    const device = { user: 'mallory', id: `phone${clients.length}`, webSocket }
    const client = await connectRaw(t, server, device)
    clients.push({ what, client, bytes: webSocket ? frame(bytes) : bytes })
  }
  return clients
}

for (const webSocket of [false, true]) {
  const way = webSocket ? 'WebSocket' : 'TCP'
  t.test(`who floods over ${way} and reads no answers is held, and then cut`, async (t) => {
    const server = await startTestServer(t, { stalledTimeoutMs: '1000' })
    const bystanders = await makeBystanders(t, server)
    const clients = await connectEach(t, server, unread, webSocket)
    const before = bufferBytes()
    const floods = clients.map(({ what, client, bytes }) => {
      client.pause()
      return flood(client, bytes, what)
    })
    let rounds = 0
    await until(
      'all are cut',
      async () => {
        await bystanders.areUnharmed(t)
        if (rounds++ % 20 === 0) await buffersAreBounded(t, before, `${rounds} rounds`)
        return floods.every(({ isCut }) => isCut)
      },
      60_000,
    )
    await buffersAreBounded(t, before, floods.map(({ what, sent }) => `${sent} × ${what}`).join())
  })
}

t.test('who floods and reads gets answers, in turns with the others', async (t) => {
  const server = await startTestServer(t, { openTopics: 't/#' })
  const bystanders = await makeBystanders(t, server)
  const clients = await connectEach(t, server, dear)
  const before = bufferBytes()
  const floods = clients.map(({ what, client, bytes }) => flood(client, bytes, what))
  const from = Date.now()
  let longestMs = 0
  await until('the floods were long enough', async () => {
    const began = Date.now()
    await bystanders.areUnharmed(t)
    longestMs = Math.max(longestMs, Date.now() - began)
    return Date.now() - from > 4000
  })
  await buffersAreBounded(t, before, 'what waits for an answer')
  for (const [index, { what, sent, isCut }] of floods.entries()) {
    const answers = clients[index]?.client.packets.length ?? 0
    t.ok(sent > 0 && answers > 1, `${what}: ${sent} times, ${answers} answers`)
    t.notOk(isCut, what)
  }
  t.comment(`the slowest message between bystanders took ${longestMs} ms`)
})

t.test('who connects and disconnects without end harms nobody', async (t) => {
  const server = await startTestServer(t)
  const bystanders = await makeBystanders(t, server)
  const packets = await Promise.all(
    ['one', 'two'].flatMap((id) =>
      [true, false].map((clean) => connectPacket(server, { user: 'mallory', id }, { clean })),
    ),
  )
  let cycles = 0
  let isOver = false
  const come = async (packet: Packet) => {
    while (!isOver) {
      const client = await openRaw(t, server)
      client.send(packet, { cmd: 'pingreq' }, { cmd: 'disconnect' })
      await client.closed()
      cycles++
    }
  }
  const before = bufferBytes()
  const coming = Promise.all(packets.flatMap((packet) => [come(packet), come(packet)]))
  const from = Date.now()
  await until('the flood was long enough', async () => {
    await bystanders.areUnharmed(t)
    return Date.now() - from > 3000
  })
  isOver = true
  await coming
  t.ok(cycles > 100, `${cycles} connections`)
  await buffersAreBounded(t, before, `${cycles} connections`)
  const after = await connectRaw(t, server, { user: 'mallory', id: 'one' })
  t.equal(after.of('connack').length, 1)
})
