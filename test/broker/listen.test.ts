// The doors: what strangers send to them harms nobody, and what is turned away does not stay.

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import t from 'tap'
import { WebSocket } from 'ws'
import { type Admit, attachWebSocket, listenTcp, type Visitor } from '../../broker/listen.ts'
import { until } from '../support/until.ts'

const upgrade = [
  'Host: x',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
]

interface Door {
  readonly server: Server
  readonly port: number
  /** What nobody caught: each of these ends the process. */
  readonly crashes: Error[]
}

async function open(t: Pick<Test, 'teardown'>, admit: Admit): Promise<Door> {
  const server = createServer()
  attachWebSocket(server, admit, { packetBytesMax: 1000, preConnectBytesMax: 1000 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sockets = new Set<Duplex>()
  server.on('connection', (socket) => sockets.add(socket))
  const crashes: Error[] = []
  const caught = (error: Error) => void crashes.push(error)
  process.on('uncaughtException', caught)
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
    process.off('uncaughtException', caught)
  })
  return { server, port: (server.address() as AddressInfo).port, crashes }
}

/** Sends an upgrade request by hand, and keeps its own side open. */
function request(t: Pick<Test, 'teardown'>, port: number, lines: readonly string[]): Socket {
  const socket = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true })
  socket.on('error', () => {})
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  t.teardown(() => void socket.destroy())
  return socket
}

async function answerOf(socket: Socket): Promise<string> {
  let answer = ''
  socket.on('data', (chunk) => {
    answer += String(chunk)
  })
  await until('an answer', () => answer.includes('\r\n'))
  return answer.split('\r\n')[0] ?? ''
}

const sendAway: Admit = () => false

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve) => server.getConnections((_, count) => resolve(count)))
}

t.test('an upgrade of any target is answered, and none of them ends the process', async (t) => {
  const { port, crashes } = await open(t, sendAway)
  for (const target of [
    '/',
    '/mqtt2',
    '//',
    '///',
    '//[',
    'http://[::bad/mqtt',
    '/%',
    '*',
    '/\\\\',
  ]) {
    const socket = request(t, port, [`GET ${target} HTTP/1.1`, ...upgrade])
    let isOver = false
    socket.on('data', (answer) => {
      t.match(String(answer), /^HTTP\/1.1 4/, target)
    })
    socket.on('end', () => {
      isOver = true
    })
    await until(`${target} is answered`, () => isOver || crashes.length > 0)
    t.same(crashes.splice(0), [], target)
    socket.destroy()
  }
})

t.test('a client that is turned away cannot end the process by what it sends then', async (t) => {
  const { port, crashes } = await open(t, sendAway)
  const socket = request(t, port, [
    'GET /mqtt HTTP/1.1',
    ...upgrade,
    'Sec-WebSocket-Protocol: mqtt',
  ])
  t.match(await answerOf(socket), /101/)
  // A frame with a reserved bit, unmasked: an error of the protocol.
  socket.write(Buffer.from([0xff, 0x05, 1, 2, 3, 4, 5]))
  await until('the server is done with it', () => socket.readableEnded || crashes.length > 0)
  await new Promise((resolve) => setImmediate(resolve))
  t.same(crashes, [])
})

t.test('a refused upgrade does not stay open for as long as its client likes', async (t) => {
  const { server, port } = await open(t, sendAway)
  const socket = request(t, port, ['GET /other HTTP/1.1', ...upgrade])
  t.match(await answerOf(socket), /404/)
  await until('the connection is gone', async () => (await connectionsOf(server)) === 0, 2000)
})

t.test(
  'only clients that offer MQTT are let in, each with the subprotocol it offered',
  async (t) => {
    const { port } = await open(t, () => true)
    for (const [offered, answered] of [
      [['mqtt'], 'mqtt'],
      [['mqttv3.1'], 'mqttv3.1'],
      [['x', 'mqttv3.1', 'mqtt'], 'mqtt'],
    ] as const) {
      const client = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, [...offered])
      t.teardown(() => client.terminate())
      await once(client, 'open')
      t.equal(client.protocol, answered)
    }
    for (const offered of [[], ['mqtt5'], ['MQTT']]) {
      const client = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, offered)
      const [error] = (await once(client, 'error')) as [Error]
      t.match(error.message, /400/, String(offered))
    }
  },
)

t.test('a token may come with the upgrade, by header or by query', async (t) => {
  const visitors: Visitor[] = []
  const { port } = await open(t, (visitor) => {
    visitors.push(visitor)
    return true
  })
  const url = `ws://127.0.0.1:${port}/mqtt`
  const asked: [string, Record<string, string>][] = [
    [`${url}?access_token=from.query`, {}],
    [url, { authorization: 'Bearer from.header' }],
    [`${url}?access_token=from.query`, { authorization: 'bearer from.header' }],
    [url, { authorization: 'Basic eDp5' }],
    [url, {}],
  ]
  for (const [target, headers] of asked) {
    const client = new WebSocket(target, ['mqtt'], { headers })
    t.teardown(() => client.terminate())
    await once(client, 'open')
  }
  const tokens = visitors.map(({ offeredToken }) => offeredToken)
  t.same(tokens, ['from.query', 'from.header', 'from.header', undefined, undefined])
})

t.test('a client that is turned away when the house is full is closed with 1013', async (t) => {
  const { port } = await open(t, sendAway)
  const client = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, ['mqtt'])
  const [code] = await once(client, 'close')
  t.equal(code, 1013)
})

t.test(
  'over TCP a client that is turned away is closed, and a taken port is an error',
  async (t) => {
    const server = await listenTcp(sendAway, { host: '127.0.0.1', port: 0 })
    t.teardown(() => new Promise((resolve) => server.close(resolve)))
    const { port } = server.address() as AddressInfo
    const socket = connectTcp({ host: '127.0.0.1', port })
    socket.on('error', () => {})
    await once(socket, 'close')
    await t.rejects(listenTcp(sendAway, { host: '127.0.0.1', port }), { code: 'EADDRINUSE' })
  },
)
