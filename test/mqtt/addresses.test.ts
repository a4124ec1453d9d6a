// The limits of one address, with a server that exempts nobody: the others notice nothing. The
// loopback network has many addresses to come from.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import type { TestServer } from '../support/server.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { makeBystanders } from './bystanders.ts'

type Owner = Parameters<typeof makeBystanders>[0]

interface Peer {
  readonly socket: Socket
  heard(): string
}

const stranger = '127.0.0.2'
const upgrade = [
  'GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13',
  'Sec-WebSocket-Protocol: mqtt\r\n\r\n',
].join('\r\n')

function come(t: Owner, port: number, localAddress = stranger): Peer {
  const socket = connect({ host: '127.0.0.1', port, localAddress })
  t.teardown(() => void socket.destroy())
  let text = ''
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    text += String(chunk)
  })
  return { socket, heard: () => text }
}

/** Connects until one is cut; how many were not. */
async function comeUntilCut(t: Owner, port: number): Promise<readonly Peer[]> {
  const peers: Peer[] = []
  for (;;) {
    const peer = come(t, port)
    await once(peer.socket, 'connect')
    // Who was let in stays; a connection that is cut is cut at once, before this one's answer.
    const probe = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.3' })
    probe.on('error', () => {}).resume()
    probe.end('x')
    await once(probe, 'close')
    if (peer.socket.closed || peer.socket.readableEnded) return peers
    peers.push(peer)
  }
}

function start(t: Owner, flags: Readonly<Record<string, string>>): Promise<TestServer> {
  return startTestServer(t, { limitsExempt: 'none', ...flags })
}

t.test('one address may have so many connections, over all doors together', async (t) => {
  const server = await start(t, { connectionsPerAddressMax: '8' })
  const bystanders = await makeBystanders(t, server)
  const inside = await comeUntilCut(t, server.mqttPort)
  t.equal(inside.length, 8)
  const late = come(t, server.httpPort)
  late.socket.write(upgrade)
  await until('an answer', () => late.socket.closed)
  t.match(late.heard(), /^HTTP\/1.1 429 /)
  await bystanders.areUnharmed(t)
  inside[0]?.socket.destroy()
  await until('there is room for a WebSocket', async () => {
    const peer = come(t, server.httpPort)
    peer.socket.write(upgrade)
    await until('an answer', () => peer.heard().includes('\r\n'))
    return peer.heard().startsWith('HTTP/1.1 101')
  })
  await bystanders.areUnharmed(t)
})

t.test('one address may come so often, over all doors together', async (t) => {
  const server = await start(t, {
    connectsPerAddressBurst: '5',
    connectsPerAddressPerSecond: '1',
  })
  const bystanders = await makeBystanders(t, server)
  for (let i = 0; i < 50; i++) {
    const peer = come(t, server.mqttPort)
    peer.socket.end()
    await once(peer.socket, 'close')
  }
  const peer = come(t, server.httpPort)
  peer.socket.write(upgrade)
  await until('it is closed', () => peer.socket.closed)
  t.match(peer.heard(), /^HTTP\/1.1 429 /)
  await bystanders.areUnharmed(t)
  await until('it may come again, at its pace', async () => {
    const again = come(t, server.httpPort)
    again.socket.write(upgrade)
    await until('an answer', () => again.heard().includes('\r\n'))
    return again.heard().startsWith('HTTP/1.1 101')
  })
})

t.test('one address may hold so many sockets of the HTTP server, silent ones too', async (t) => {
  const server = await start(t, { connectionsPerAddressMax: '8' })
  const bystanders = await makeBystanders(t, server)
  const peers = await comeUntilCut(t, server.httpPort)
  t.equal(peers.length, 8 + 100, 'as many as WebSockets, and some for requests')
  await bystanders.areUnharmed(t)
  t.equal((await server.request('GET', '/healthz')).status, 200)
  peers[0]?.socket.destroy()
  await until('there is room again', async () => {
    const peer = come(t, server.httpPort)
    peer.socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await until('it is over', () => peer.socket.closed)
    return peer.heard().startsWith('HTTP/1.1 200')
  })
})
