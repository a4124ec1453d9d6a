// MQTT and HTTP over TLS: which certificate a client gets, what a reload changes and what not, and
// that whoever breaks a handshake harms nobody.

import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import mqtt from 'mqtt'
import { pino } from 'pino'
import type { Test } from 'tap'
import t from 'tap'
import { makeAuthority } from '../support/certificates.ts'
import { connectDevice } from '../support/chat-client.ts'
import { requireProgram } from '../support/programs.ts'
import { startTestServer, type TestServer, temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'

const { skip } = requireProgram('openssl')
// The tests that need it are skipped where it cannot be made.
const shared = skip ? (undefined as never) : makeCertificates(t)

interface Owner {
  teardown(work: () => void): void
}

/** An authority and three certificates: for a.example, b.example and its subdomains, c.example. */
function makeCertificates(t: Owner) {
  const folder = temporaryFolder(t)
  const authority = makeAuthority(folder)
  const pairs = [
    authority.issue('a', { names: ['a.example'] }),
    authority.issue('b', { names: ['b.example', '*.b.example'] }),
    authority.issue('c', { names: ['a.example', 'c.example'] }),
  ]
  const flags = {
    mqttsPort: '0',
    httpsPort: '0',
    tlsCertificate: pairs.map(({ certificate }) => certificate).join(','),
    tlsKey: pairs.map(({ key }) => key).join(','),
  }
  return { folder, authority, flags }
}

/** A server, and what it logs. `own`: certificates that the test will change. */
async function setUp(t: Test, more: Readonly<Record<string, string>> = {}, own = shared) {
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => void lines.push(JSON.parse(line))
  const logger = pino({ level: 'debug' }, { write })
  const server = await startTestServer(t, { ...own.flags, ...more }, logger)
  return { ...own, server, lines, ca: own.authority.text }
}

/** Opens a TLS connection; resolves after the handshake. */
async function handshake(t: Test, port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, ...options })
  t.teardown(() => void socket.destroy())
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  return socket
}

/** The common name of the certificate that a client gets for a name. */
async function nameOf(t: Test, port: number, options: ConnectionOptions): Promise<unknown> {
  const socket = await handshake(t, port, options)
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return subject.CN
}

function tcp(t: Test, port: number): Socket {
  const socket = connectTcp({ host: '127.0.0.1', port })
  socket.on('error', () => {})
  t.teardown(() => void socket.destroy())
  return socket
}

async function device(t: Test, server: TestServer, url: string, ca: string) {
  const client = await mqtt.connectAsync(url, {
    ca,
    clientId: `phone-${url.slice(0, 4)}`,
    clean: false,
    username: 'alice',
    password: await server.token('alice'),
    reconnectPeriod: 0,
  })
  t.teardown(() => client.endAsync(true))
  return client
}

t.test('MQTT.js chats over mqtts and over wss', { skip }, async (t) => {
  const { server, ca } = await setUp(t)
  const bob = await connectDevice(t, server, { user: 'bob', id: 'bob-1' })
  await bob.mqtt.subscribeAsync('u/bob/#', { qos: 1 })
  for (const url of [
    `mqtts://127.0.0.1:${server.mqttsPort}`,
    `wss://127.0.0.1:${server.httpsPort}/mqtt`,
  ]) {
    const client = await device(t, server, url, ca)
    const large = `${url} ${'x'.repeat(50_000)}`
    await client.publishAsync('u/bob/msg', large, { qos: 1 })
    await until('the message', () => bob.texts().includes(large))
  }
})

t.test('the HTTP API answers over TLS', { skip }, async (t) => {
  const { server, ca } = await setUp(t)
  const url = `https://127.0.0.1:${server.httpsPort}/healthz`
  const [answer] = await once(httpsRequest(url, { ca, agent: false }).end(), 'response')
  t.equal(answer.statusCode, 200)
  answer.resume()
  await once(answer, 'end')
})

t.test('a client gets the first certificate for the name it asks for', { skip }, async (t) => {
  const { server, ca } = await setUp(t)
  const asked = [
    ['a.example', 'a'],
    ['B.example', 'b'],
    ['www.b.example', 'b'],
    ['c.example', 'c'],
  ] as const
  for (const port of [server.mqttsPort, server.httpsPort]) {
    for (const [servername, name] of asked) {
      t.equal(await nameOf(t, port, { ca, servername }), name, servername)
    }
    const unchecked = { ca, checkServerIdentity: () => undefined }
    for (const servername of ['x.example', 'x.www.b.example']) {
      t.equal(await nameOf(t, port, { ...unchecked, servername }), 'a', servername)
    }
    t.equal(await nameOf(t, port, { ca }), 'a', 'without a name')
  }
})

t.test(
  'a reload gives new certificates to those who come, and keeps who is there',
  { skip },
  async (t) => {
    const { server, authority, ca } = await setUp(t, {}, makeCertificates(t))
    const url = `mqtts://127.0.0.1:${server.mqttsPort}`
    const client = await device(t, server, url, ca)
    const isConnected = client.connected
    const serial = async (servername: string) => {
      const socket = await handshake(t, server.mqttsPort, { ca, servername })
      return socket.getPeerCertificate().serialNumber
    }
    const before = [await serial('a.example'), await serial('b.example')]
    authority.issue('a', { names: ['a.example'] })
    authority.issue('b', { names: ['b.example', 'new.example'] })
    t.same([await serial('a.example'), await serial('b.example')], before)
    server.reload()
    t.not(await serial('a.example'), before[0])
    t.not(await serial('b.example'), before[1])
    t.equal(await nameOf(t, server.httpsPort, { ca, servername: 'new.example' }), 'b')
    await client.publishAsync('u/alice/msg', 'still here', { qos: 1 })
    t.ok(isConnected && client.connected)
  },
)

t.test('a reload of a bad file keeps the old ones and logs one line', { skip }, async (t) => {
  const { server, authority, ca, lines, folder } = await setUp(t, {}, makeCertificates(t))
  authority.issue('a', { names: ['fresh.example'] })
  const faults: (() => void)[] = [
    () => writeFileSync(join(folder, 'b.pem'), 'nonsense'),
    () => rmSync(join(folder, 'b.pem')),
  ]
  for (const spoil of faults) {
    spoil()
    lines.length = 0
    server.reload()
    t.match(lines, [{ level: 50, reason: /the certificate .*b\.pem/ }])
    t.equal(lines.length, 1)
    t.equal(await nameOf(t, server.mqttsPort, { ca, servername: 'a.example' }), 'a')
    t.equal(await nameOf(t, server.mqttsPort, { ca, servername: 'b.example' }), 'b')
  }
  t.notMatch(JSON.stringify(lines), 'PRIVATE')
})

t.test('versions of TLS below the lowest are refused', { skip }, async (t) => {
  const { server, ca } = await setUp(t, { tlsMinVersion: 'TLSv1.3' })
  const options = { ca, maxVersion: 'TLSv1.2' as const, servername: 'a.example' }
  await t.rejects(handshake(t, server.mqttsPort, options))
  const { maxVersion, ...newer } = options
  t.equal((await handshake(t, server.mqttsPort, newer)).getProtocol(), 'TLSv1.3')
  const lax = await setUp(t)
  const old = { ca: lax.ca, servername: 'a.example', minVersion: 'TLSv1' as const }
  const weak = { ...old, maxVersion: 'TLSv1.1' as const, ciphers: 'DEFAULT@SECLEVEL=0' }
  await t.rejects(handshake(t, lax.server.mqttsPort, weak))
  const middle = await handshake(t, lax.server.mqttsPort, { ...old, maxVersion: 'TLSv1.2' })
  t.equal(middle.getProtocol(), 'TLSv1.2')
})

t.test('a handshake that breaks, stops or never begins ends alone', { skip }, async (t) => {
  const { server, ca, lines } = await setUp(t, { connectTimeoutMs: '300' })
  const client = await device(t, server, `mqtts://127.0.0.1:${server.mqttsPort}`, ca)
  const hello = Buffer.from('160301000501000000010316030100', 'hex')
  const large = Buffer.from([22, 3, 1, 0x40, 0, 1, 2, 0, 0])
  const beginnings = [
    Buffer.alloc(0),
    Buffer.from([22]),
    hello,
    large,
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from([0x10, 0x0c, 0, 4, 0x4d, 0x51, 0x54, 0x54]),
    Buffer.from('\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c\x01\x02\x03\x04\x7f\0\0\x01\x12\x34\x56\x78'),
  ]
  for (const port of [server.mqttsPort, server.httpsPort]) {
    const sockets = beginnings.map((bytes) => {
      const socket = tcp(t, port)
      socket.write(bytes)
      socket.resume()
      return socket
    })
    const leaver = tcp(t, port)
    leaver.write(hello.subarray(0, 7))
    leaver.once('connect', () => leaver.resetAndDestroy())
    await Promise.all(sockets.map((socket) => socket.closed || once(socket, 'close')))
  }
  await client.publishAsync('u/alice/msg', 'unharmed', { qos: 1 })
  const complaints = lines.filter(({ msg }) => msg === 'a TLS handshake failed')
  t.match(complaints, [{ level: 40, peer: '127.0.0.1', times: 1 }])
  t.equal(complaints.length, 1, 'one line a minute')
  t.notMatch(JSON.stringify(lines), /"stack"|"err"/)
})

t.test('who comes too often is cut before the handshake', { skip }, async (t) => {
  const pace = { connectsPerAddressPerSecond: '1', connectsPerAddressBurst: '2' }
  const { server, ca, lines } = await setUp(t, { limitsExempt: 'none', ...pace })
  const options = { ca, servername: 'a.example' }
  await handshake(t, server.httpsPort, options)
  await handshake(t, server.httpsPort, options)
  await t.rejects(Promise.all([1, 2, 3].map(() => handshake(t, server.httpsPort, options))))
  t.ok(lines.some(({ refused, address }) => refused === 'insistent' && address === '127.0.0.1'))
})

t.test('a peer that finished the handshake must connect in time', { skip }, async (t) => {
  const { server, ca } = await setUp(t, { connectTimeoutMs: '300' })
  const socket = await handshake(t, server.mqttsPort, { ca, servername: 'a.example' })
  socket.resume()
  await once(socket, 'close')
})

t.test(
  'a WebSocket over TLS holds no more than a small frame before CONNECT',
  { skip },
  async (t) => {
    const { server, ca } = await setUp(t)
    const socket = await handshake(t, server.httpsPort, { ca, servername: 'a.example' })
    const upgrade = ['GET /mqtt HTTP/1.1', 'Host: a.example', 'Connection: Upgrade']
    const fields = [
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: mqtt',
    ]
    const key = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='
    socket.write(`${[...upgrade, ...fields, key].join('\r\n')}\r\n\r\n`)
    const [answer] = await once(socket, 'data')
    t.match(String(answer), /^HTTP\/1\.1 101 /)
    socket.write(
      Buffer.concat([Buffer.from([0x82, 0xfe, 0xff, 0xff, 1, 2, 3, 4]), Buffer.alloc(40_000)]),
    )
    await until('the server cuts it', () => socket.destroyed)
  },
)

t.test('a server that stops ends the connections of all its doors', { skip }, async (t) => {
  const { server, ca } = await setUp(t)
  const client = await device(t, server, `mqtts://127.0.0.1:${server.mqttsPort}`, ca)
  const idle = await handshake(t, server.httpsPort, { ca, servername: 'a.example' })
  idle.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(idle, 'data')
  const silent = tcp(t, server.mqttsPort)
  await once(silent, 'connect')
  const left = new Promise<void>((resolve) => client.once('close', resolve))
  const gone = Promise.all([left, once(idle, 'close'), once(silent, 'close')])
  idle.resume()
  silent.resume()
  await server.close()
  await gone
})
