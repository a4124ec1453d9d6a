// The bounds on connections: how many, how long without CONNECT, how long in silence, how long a
// token.

import { connect } from 'node:net'
import type { IConnackPacket } from 'mqtt-packet'
import t from 'tap'
import { connectDevice } from '../support/chat-client.ts'
import { returnCodeOf } from '../support/level.ts'
import type { RawClient } from '../support/raw-client.ts'
import { connectPacket, connectRaw, openRaw, publishPacket } from '../support/raw-client.ts'
import type { TestServer } from '../support/server.ts'
import { adminToken, startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { makeBystanders } from './bystanders.ts'

/** Waits until the server ends the connection; ms since `from`. */
async function livedFor(client: RawClient, from = Date.now()): Promise<number> {
  await client.closed()
  return Date.now() - from
}

/** Fills a server of this many places, so that nobody else is let in. HTTP connections are bounded
 * by the same number, but on their own. */
const places = 20

async function fill(t: Parameters<typeof openRaw>[0], server: TestServer, taken: number) {
  const clients: RawClient[] = []
  while (clients.length < places - taken) clients.push(await openRaw(t, server))
  return clients
}

t.test('a client beyond the limit of connections is turned away, others go on', async (t) => {
  const server = await startTestServer(t, { connectionsMax: String(places) })
  const bystanders = await makeBystanders(t, server)
  const inside = await fill(t, server, 2)
  const packet = await connectPacket(server, { user: 'mallory', id: 'a' })
  const refused = await openRaw(t, server)
  refused.send(packet)
  await refused.closed()
  t.same(refused.packets, [], 'over TCP it is closed')
  await t.rejects(openRaw(t, server, { webSocket: true }), /503/, 'over WebSocket it is told')
  await bystanders.areUnharmed(t)
  t.notOk(inside.some((client) => client.isClosed()))
  inside[0]?.stream.destroy()
  // The place is free as soon as the server has seen the end of that one.
  await until('there is room again', async () => {
    const client = await openRaw(t, server)
    client.send(packet)
    await until('an answer', () => client.isClosed() || client.packets.length > 0)
    return client.of('connack').length > 0
  })
  await bystanders.areUnharmed(t)
})

t.test('a WebSocket that is turned away may send garbage without harm', async (t) => {
  const server = await startTestServer(t, { connectionsMax: String(places) })
  const bystanders = await makeBystanders(t, server)
  await fill(t, server, 2)
  const socket = connect({ port: server.httpPort, host: '127.0.0.1' })
  t.teardown(() => void socket.destroy())
  const upgrade = [
    'GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13',
    'Sec-WebSocket-Protocol: mqtt\r\n\r\n',
  ]
  // Reserved bits, and no mask: an invalid frame (RFC 6455, section 5.2).
  const invalid = Buffer.from([0xff, 0x7f, 0xff, 0xff])
  socket.write(Buffer.concat([Buffer.from(upgrade.join('\r\n')), invalid]))
  socket.on('error', () => {}).resume()
  await until('it is closed', () => socket.closed)
  await bystanders.areUnharmed(t)
})

t.test('who does not connect in time is cut, on every door and at every stage', async (t) => {
  const server = await startTestServer(t, { connectTimeoutMs: '1000' })
  const bystanders = await makeBystanders(t, server)
  const openedAt = Date.now()
  const silent = await openRaw(t, server)
  const overWebSocket = await openRaw(t, server, { webSocket: true })
  const half = await openRaw(t, server)
  half.send(Buffer.from([0x10, 0x50, 0, 4, 0x4d]))
  const slow = await openRaw(t, server)
  slow.send(Buffer.from([0x10, 0xe8, 0x07]))
  const onHttp = { ...server, mqttPort: server.httpPort }
  const silentOnHttp = await openRaw(t, onHttp)
  const halfUpgrade = await openRaw(t, onHttp)
  halfUpgrade.send(Buffer.from('GET /mqtt HTTP/1.1\r\nUpgrade: websocket\r\n'))
  const slowUpgrade = await openRaw(t, onHttp)
  slowUpgrade.send(Buffer.from('GET /mqtt HTTP/1.1\r\nX: '))
  const drip = setInterval(() => {
    for (const client of [slow, slowUpgrade]) client.send(Buffer.of(0x40))
  }, 100)
  t.teardown(() => clearInterval(drip))
  const clients = { silent, overWebSocket, half, slow, silentOnHttp, halfUpgrade, slowUpgrade }
  for (const [what, client] of Object.entries(clients)) {
    const ms = await livedFor(client, openedAt)
    t.ok(ms >= 900 && ms < 4000, `${what}: ${ms} ms`)
    t.same(client.packets, [])
  }
  await bystanders.areUnharmed(t)
})

t.test('silence ends a connection after one and a half keep-alives, not before', async (t) => {
  const server = await startTestServer(t)
  const bystanders = await makeBystanders(t, server)
  const lives: Promise<number>[] = []
  const patient = await connectRaw(t, server, { user: 'mallory', id: 'patient' })
  // At different times, so that none depends on when the server looks at its clock.
  for (let i = 0; i < 8; i++) {
    const packet = await connectPacket(server, { user: 'mallory', id: `p${i}` }, { keepalive: 1 })
    const client = await openRaw(t, server)
    client.send(packet)
    lives.push(livedFor(client))
    await client.wait('connack')
    const then = Date.now() + 130
    await until('it is time for the next', () => Date.now() >= then)
  }
  for (const ms of await Promise.all(lives)) {
    t.ok(ms >= 1500 && ms < 4000, `${ms} ms at a keep-alive of 1 s`)
  }
  t.notOk(patient.isClosed(), 'a keep-alive of 0 allows any silence')
  await bystanders.areUnharmed(t)
})

t.test('any packet keeps a connection alive', async (t) => {
  const server = await startTestServer(t)
  const from = Date.now()
  const clients: RawClient[] = []
  for (const id of ['pings', 'publishes', 'acknowledges']) {
    clients.push(await connectRaw(t, server, { user: 'mallory', id }, { keepalive: 1 }))
  }
  const [pings, publishes, acknowledges] = clients as [RawClient, RawClient, RawClient]
  let packetId = 0
  const sending = setInterval(() => {
    pings.send({ cmd: 'pingreq' })
    publishes.send(publishPacket('u/mallory/msg', 'note', ++packetId))
    acknowledges.send({ cmd: 'puback', messageId: 1 })
  }, 600)
  t.teardown(() => clearInterval(sending))
  await until('four keep-alives are over', () => Date.now() - from > 4000)
  for (const client of clients) t.notOk(client.isClosed())
  t.ok(pings.of('pingresp').length > 3)
})

t.test('a well-behaved client of a short keep-alive stays connected', async (t) => {
  const server = await startTestServer(t)
  const clients = await Promise.all(
    ['a', 'b', 'c'].map((id) =>
      connectDevice(t, server, { user: 'alice', id }, { keepalive: 1, reschedulePings: false }),
    ),
  )
  let closings = 0
  const pings = clients.map(({ mqtt }) => {
    mqtt.on('close', () => closings++)
    const sent = { count: 0 }
    mqtt.on('packetsend', ({ cmd }) => {
      if (cmd === 'pingreq') sent.count++
    })
    return sent
  })
  await until('each has sent some pings', () => pings.every(({ count }) => count >= 4))
  t.equal(closings, 0)
})

async function shortToken(server: TestServer, user: string, ttlSeconds: number): Promise<string> {
  await server.addUser(user)
  const { json } = await server.request('POST', '/v1/admin/tokens', {
    token: adminToken,
    body: { user, ttlSeconds },
  })
  return (json as { token: string }).token
}

t.test('a connection ends with its token, and the device may come with a new one', async (t) => {
  const server = await startTestServer(t)
  const bystanders = await makeBystanders(t, server)
  const device = { user: 'mallory', id: 'phone' }
  const connectWith = async (ttlSeconds: number, webSocket: boolean) => {
    const password = Buffer.from(await shortToken(server, 'mallory', ttlSeconds))
    const id = webSocket ? 'browser' : 'phone'
    return connectRaw(t, server, { ...device, id, webSocket }, { password })
  }
  const [tcp, ws, long] = await Promise.all([
    connectWith(2, false),
    connectWith(2, true),
    connectRaw(t, server, { ...device, id: 'long' }),
  ])
  const pings = setInterval(() => {
    for (const client of [tcp, ws]) client.send({ cmd: 'pingreq' })
  }, 300)
  t.teardown(() => clearInterval(pings))
  for (const client of [tcp, ws]) {
    const ms = await livedFor(client)
    t.ok(ms < 5000, `it lived ${ms} ms more`)
    t.ok(client.of('pingresp').length > 0)
  }
  t.notOk(long.isClosed(), 'another token of the same user is good')
  const again = await connectWith(600, false)
  const [connack] = again.of('connack') as [IConnackPacket]
  t.equal(returnCodeOf(connack), 0)
  await bystanders.areUnharmed(t)
})
