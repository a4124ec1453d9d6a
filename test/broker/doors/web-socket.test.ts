// The WebSocket door: what strangers send to it harms nobody, and who is turned away does not
// stay.

import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import t from 'tap'
import { WebSocket } from 'ws'
import type { Refused } from '../../../broker/doors/admission.ts'
import type { Reception, Visitor } from '../../../broker/doors/listen.ts'
import { attachWebSocket } from '../../../broker/doors/web-socket.ts'
import { until } from '../../support/until.ts'

const upgrade = [
  'Host: x',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
]

/** A whole request. */
const mqttUpgrade = ['GET /mqtt HTTP/1.1', ...upgrade, 'Sec-WebSocket-Protocol: mqtt']

interface Door {
  readonly server: Server
  readonly port: number
  /** What nobody caught: each of these ends the process. */
  readonly crashes: Error[]
  /** What the operator was told of. */
  readonly faults: unknown[]
}

interface DoorOptions extends Partial<Reception> {
  readonly allowedOrigins?: readonly string[]
  readonly webSocketPingMs?: number
}

/** Opens a door behind which nobody waits. */
async function open(
  t: Pick<Test, 'teardown'>,
  {
    knock = () => undefined,
    receive = () => {},
    allowedOrigins = [],
    webSocketPingMs = 0,
  }: DoorOptions = {},
): Promise<Door> {
  const server = createServer()
  const faults: unknown[] = []
  const options = {
    logger: { error: (context: object) => void faults.push(context) },
    packetBytesMax: 1000,
    preConnectBytesMax: 1000,
    allowedOrigins,
    webSocketPingMs,
  }
  attachWebSocket(server, { knock, receive }, options)
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
  return { server, port: (server.address() as AddressInfo).port, crashes, faults }
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

const sendAway = { knock: (): Refused => 'full' }

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
  const socket = request(t, port, [...mqttUpgrade])
  t.match(await answerOf(socket), /503/)
  socket.write(Buffer.from([0xff, 0x05, 1, 2, 3, 4, 5]))
  await until(
    'the server is done with it',
    () => socket.readableEnded || socket.closed || crashes.length > 0,
  )
  await new Promise((resolve) => setImmediate(resolve))
  t.same(crashes, [])
})

t.test('a refused upgrade does not stay open for as long as its client likes', async (t) => {
  const { server, port } = await open(t, sendAway)
  const socket = request(t, port, ['GET /other HTTP/1.1', ...upgrade])
  t.match(await answerOf(socket), /404/)
  await until('the connection is gone', async () => (await connectionsOf(server)) === 0, 2000)
})

t.test('an upgrade behind a request without an answer is cut, and nothing else', async (t) => {
  const { server, port, crashes } = await open(t)
  const waiting: ServerResponse[] = []
  server.on('request', (_, response: ServerResponse) => void waiting.push(response))
  const unknownUpgrade = ['GET /other HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: h2c']
  for (const second of [unknownUpgrade, mqttUpgrade]) {
    const socket = request(t, port, ['GET /slow HTTP/1.1', 'Host: x', '', ...second])
    let heard = ''
    socket.on('data', (chunk) => {
      heard += String(chunk)
    })
    const isOver = () => socket.closed || socket.readableEnded
    await until('it is over', () => isOver() || heard !== '' || crashes.length > 0)
    t.same([heard, crashes.splice(0)], ['', []], String(second[0]))
    waiting.pop()?.end('too late')
  }
  t.same(crashes, [])
})

t.test('an upgrade may follow a request that was answered', async (t) => {
  const { server, port } = await open(t)
  server.on('request', (_, response: ServerResponse) => void response.end('first'))
  const socket = request(t, port, ['GET / HTTP/1.1', 'Host: x'])
  let heard = ''
  socket.on('data', (chunk) => {
    heard += String(chunk)
  })
  await until('the answer', () => heard.endsWith('first'))
  socket.write(`${mqttUpgrade.join('\r\n')}\r\n\r\n`)
  await until('the upgrade', () => heard.includes('HTTP/1.1 101'))
})

t.test('an upgrade that fails in the server ends alone, and the log has why', async (t) => {
  const fault = new Error('broken')
  const knock = () => {
    throw fault
  }
  const { server, port, crashes, faults } = await open(t, { knock })
  request(t, port, mqttUpgrade)
  await until('the operator is told', () => faults.length + crashes.length > 0)
  t.same([faults, crashes], [[{ err: fault }], []])
  await until('the connection is gone', async () => (await connectionsOf(server)) === 0, 2000)
})

t.test(
  'only clients that offer MQTT are let in, each with the subprotocol it offered',
  async (t) => {
    const { port } = await open(t)
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
  const { port } = await open(t, { receive: (visitor) => void visitors.push(visitor) })
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

t.test('who is turned away is told before the upgrade whether it is its own doing', async (t) => {
  const statuses: [Refused, RegExp][] = [
    ['full', /503 Service Unavailable$/],
    ['hurried', /503/],
    ['stopping', /503/],
    ['crowded', /429 Too Many Requests$/],
    ['insistent', /429/],
  ]
  for (const [refused, status] of statuses) {
    const { server, port } = await open(t, { knock: () => refused })
    t.match(await answerOf(request(t, port, mqttUpgrade)), status, refused)
    await until('the connection is gone', async () => (await connectionsOf(server)) === 0, 2000)
  }
})

t.test('only pages of the allowed origins may connect, and whoever is no page', async (t) => {
  const allowedOrigins = ['https://chat.example', 'capacitor://localhost']
  const cases: [string | undefined, RegExp][] = [
    ['https://chat.example', /101/],
    ['https://CHAT.example', /101/],
    ['capacitor://localhost', /101/],
    [undefined, /101/],
    ['https://chat.example:8443', /403/],
    ['http://chat.example', /403/],
    ['https://chat.example.evil.example', /403/],
    ['null', /403/],
    ['', /403/],
  ]
  const knocks: string[] = []
  const knock = (address: string) => void knocks.push(address)
  const { port } = await open(t, { allowedOrigins, knock })
  const everybody = await open(t)
  for (const [origin, status] of cases) {
    const lines = [...mqttUpgrade, ...(origin === undefined ? [] : [`Origin: ${origin}`])]
    t.match(await answerOf(request(t, port, lines)), status, String(origin))
    t.match(await answerOf(request(t, everybody.port, lines)), /101/, 'without a list all may')
  }
  t.same(knocks, Array(4).fill('127.0.0.1'), 'and only these count')
})
