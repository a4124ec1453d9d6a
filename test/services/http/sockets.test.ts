// Sockets on an HTTP server that do not become a request, or not in time.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { boundSockets } from '../../../services/http/sockets.ts'
import { until } from '../../support/until.ts'

type Bounds = Parameters<typeof boundSockets>[1]

async function open(t: Test, bounds: Partial<Bounds> = {}) {
  const server = createServer({ connectionsCheckingInterval: 20 }, (request, response) => {
    request.resume().on('end', () => response.end('fine'))
  })
  boundSockets(server, {
    socketsMax: 1000,
    socketsPerAddressMax: 1000,
    limitsExempt: [],
    connectTimeoutMs: 300,
    requestTimeoutMs: 600,
    ...bounds,
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  const come = async (localAddress = '127.0.0.1') => {
    const socket = connect({ host: '127.0.0.1', port, localAddress })
    socket.on('error', () => {}).resume()
    t.teardown(() => void socket.destroy())
    await once(socket, 'connect')
    return socket
  }
  return { come, server }
}

/** Whether the server still listens to the socket. */
async function isServed(socket: Socket): Promise<boolean> {
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const [event] = await Promise.race([
    once(socket, 'data').then(() => ['data']),
    once(socket, 'close').then(() => ['close']),
  ])
  return event === 'data'
}

t.test('who does not finish its request is cut, at whatever point it stops', async (t) => {
  const { come } = await open(t)
  const begun = 'POST / HTTP/1.1\r\nHost: x\r\n'
  const sayings: Record<string, [string, string?]> = {
    'nothing at all': [''],
    'half a line': ['POS'],
    'half the headers': [begun],
    'headers without end': [begun, 'X-More: and more\r\n'],
    'half the body': [`${begun}Content-Length: 1000\r\n\r\nhalf`],
    'a body without end': [`${begun}Transfer-Encoding: chunked\r\n\r\n`, '1\r\nx\r\n'],
    'half a second request': [`GET / HTTP/1.1\r\nHost: x\r\n\r\n${begun}`],
  }
  for (const [what, [first, again]] of Object.entries(sayings)) {
    const socket = await come()
    socket.write(first)
    const more = setInterval(() => again && socket.write(again), 50)
    t.teardown(() => clearInterval(more))
    const from = Date.now()
    await until(`${what} is cut`, () => socket.closed, 5000)
    t.ok(Date.now() - from >= 250, `${what}: not sooner than it may be`)
  }
})

t.test('one address has so many sockets, others have their own', async (t) => {
  const { come } = await open(t, { socketsPerAddressMax: 2, connectTimeoutMs: 10_000 })
  const [first, second] = [await come(), await come()]
  const third = await come()
  await until('it is cut', () => third.closed)
  t.ok(await isServed(await come('127.0.0.2')))
  t.ok((await isServed(first)) && (await isServed(second)))
  first.destroy()
  await until('there is room again', async () => isServed(await come()))
})

t.test('there is a bound in all, and exempt networks have only that', async (t) => {
  const limitsExempt = ['127.0.0.0/8']
  const { come } = await open(t, { socketsPerAddressMax: 1, socketsMax: 3, limitsExempt })
  for (let i = 0; i < 3; i++) t.ok(await isServed(await come()))
  const fourth = await come()
  await until('it is cut', () => fourth.closed)
})
