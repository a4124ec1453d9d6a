// Certificates of devices: whom they let in without a token, as whom, and for how long.

import { once } from 'node:events'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import type { IClientOptions } from 'mqtt'
import mqtt from 'mqtt'
import type { Test } from 'tap'
import t from 'tap'
import type { Certificate } from '../support/certificates.ts'
import { makeAuthority } from '../support/certificates.ts'
import { connectDevice } from '../support/chat-client.ts'
import { requireProgram } from '../support/programs.ts'
import { startTestServer, type TestServer, temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'

const { skip } = requireProgram('openssl')
// The tests that need them are skipped where they cannot be made.
const made = skip ? (undefined as never) : makeCertificates()

function makeCertificates() {
  const folder = temporaryFolder(t)
  const [authority, devices, foreign] = ['ca', 'devices', 'foreign'].map((name) =>
    makeAuthority(folder, name),
  ) as [Authority, Authority, Authority]
  const { certificate, key } = authority.issue('server')
  const flags = {
    mqttsPort: '0',
    httpsPort: '0',
    tlsCertificate: certificate,
    tlsKey: key,
    tlsClientCa: devices.file,
    openTopics: 't/open/#',
  }
  const lamp = devices.issue('lamp', { subject: '/O=alice/CN=lamp' })
  return { authority, devices, foreign, flags, lamp }
}

type Authority = ReturnType<typeof makeAuthority>

async function startServer(t: Test, more: Readonly<Record<string, string>> = {}) {
  const server = await startTestServer(t, { ...made.flags, tlsClientAuth: 'required', ...more })
  await server.addUser('alice')
  return server
}

/** Connects over TLS with a certificate, if one is given, and without a token. */
async function connect(
  t: Test,
  server: TestServer,
  shown: Certificate | undefined,
  options: IClientOptions = {},
) {
  const client = mqtt.connect(`mqtts://127.0.0.1:${server.mqttsPort}`, {
    ca: made.authority.text,
    ...shown?.proof,
    clientId: 'lamp',
    clean: true,
    reconnectPeriod: 0,
    connectTimeout: 10_000,
    ...options,
  })
  t.teardown(() => client.endAsync(true))
  client.on('error', () => {})
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve())
    client.once('error', reject)
    client.once('close', () => reject(new Error('closed')))
  })
  return client
}

/** A TLS client that keeps its session for the next time. */
async function resumable(
  t: Test,
  server: TestServer,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const { ca, ...proof } = { ca: made.authority.text, ...made.lamp.proof }
  const socket = connectTls({ host: '127.0.0.1', port: server.mqttsPort, ca, ...proof, ...options })
  t.teardown(() => void socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

t.test('a certificate stands for a token: O is the user, CN the device', { skip }, async (t) => {
  const server = await startServer(t)
  const phone = await connectDevice(t, server, { user: 'alice', id: 'phone' })
  await phone.mqtt.subscribeAsync('u/alice/#', { qos: 1 })
  const lamp = await connect(t, server, made.lamp)
  await lamp.publishAsync('u/alice/msg', 'from the lamp', { qos: 1 })
  await until('the message', () => phone.texts().includes('from the lamp'))
  t.match(phone.messages[0]?.json, { from: 'alice' })
})

t.test('over WebSocket too', { skip }, async (t) => {
  const server = await startServer(t)
  const client = await mqtt.connectAsync(`wss://127.0.0.1:${server.httpsPort}/mqtt`, {
    clientId: 'lamp',
    reconnectPeriod: 0,
    wsOptions: { ca: made.authority.text, ...made.lamp.proof },
  })
  t.teardown(() => client.endAsync(true))
  const answer = await client.publishAsync('u/alice/msg', 'hello', { qos: 1 })
  t.ok(answer)
})

t.test('the client id is the device of the certificate, or empty', { skip }, async (t) => {
  const server = await startServer(t)
  const first = await connect(t, server, made.lamp)
  const closed = new Promise<void>((resolve) => first.once('close', () => resolve()))
  await connect(t, server, made.lamp, { clientId: '' })
  await closed
  t.pass('it took the place of the connection with the id')
  await t.rejects(connect(t, server, made.lamp, { clientId: 'other' }), { code: 2 })
})

t.test('a token beside the certificate must be of the same user', { skip }, async (t) => {
  const server = await startServer(t)
  const topics = { publish: ['t/mine'], subscribe: ['t/mine'] }
  const own = { username: 'alice', password: await server.token('alice', topics) }
  const both = await connect(t, server, made.lamp, own)
  const [granted] = await both.subscribeAsync('t/mine', { qos: 1 })
  t.equal(granted?.qos, 1)
  const other = { username: 'bob', password: await server.token('bob') }
  await t.rejects(connect(t, server, made.lamp, other), { code: 5 })
  const bad = { username: 'alice', password: 'no token' }
  await t.rejects(connect(t, server, made.lamp, bad), { code: 4 })
})

t.test(
  'a device with nothing but a certificate may use the open topics only',
  { skip },
  async (t) => {
    const server = await startServer(t)
    const lamp = await connect(t, server, made.lamp)
    const [open] = await lamp.subscribeAsync('t/open/1', { qos: 1 })
    t.equal(open?.qos, 1)
    await t.rejects(lamp.subscribeAsync('t/mine', { qos: 1 }))
  },
)

t.test('required: nobody comes in without a good certificate', { skip }, async (t) => {
  const server = await startServer(t)
  const token = { username: 'alice', password: await server.token('alice') }
  const subject = '/O=alice/CN=lamp'
  const cases = {
    'without one': undefined,
    'of a foreign authority': made.foreign.issue('foreign-lamp', { subject }),
    'that has expired': made.devices.issue('old-lamp', { subject, lastsMs: -60_000 }),
  }
  for (const [what, shown] of Object.entries(cases)) {
    await t.rejects(connect(t, server, shown, token), what)
    const options = { ca: made.authority.text, ...shown?.proof }
    const socket = connectTls({ host: '127.0.0.1', port: server.httpsPort, ...options })
    socket.on('error', () => {})
    socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
    let heard = 0
    socket.on('data', (bytes) => {
      heard += bytes.length
    })
    await until('the end', () => socket.destroyed)
    t.equal(heard, 0, what)
  }
  await connect(t, server, made.lamp)
})

t.test('optional: a token will do, but not a bad certificate', { skip }, async (t) => {
  const server = await startServer(t, { tlsClientAuth: 'optional' })
  const token = { username: 'alice', password: await server.token('alice') }
  await connect(t, server, undefined, { ...token, clientId: 'phone' })
  await connect(t, server, made.lamp)
  await t.rejects(connect(t, server, undefined), { code: 4 })
  const foreign = made.foreign.issue('foreign-lamp', { subject: '/O=alice/CN=lamp' })
  await t.rejects(connect(t, server, foreign, token))
})

t.test('none: a certificate is not asked for, and says nothing', { skip }, async (t) => {
  const { tlsClientCa: _, ...flags } = made.flags
  const server = await startTestServer(t, flags)
  await server.addUser('alice')
  await t.rejects(connect(t, server, made.lamp), { code: 4 })
})

t.test(
  'a certificate that names no device, or no user there is, is no identity',
  { skip },
  async (t) => {
    const server = await startServer(t)
    const subjects = [
      '/CN=lamp',
      '/O=alice',
      '/O=alice/O=bob/CN=lamp',
      '/O=a b/CN=lamp',
      '/O=al+ice/CN=x',
    ]
    for (const subject of subjects) {
      const shown = made.devices.issue('nameless', { subject })
      await t.rejects(connect(t, server, shown), { code: 4 }, subject)
      const token = { username: 'alice', password: await server.token('alice') }
      await connect(t, server, shown, { ...token, clientId: 'any' })
    }
    const stranger = made.devices.issue('stranger', { subject: '/O=nobody/CN=lamp' })
    await t.rejects(connect(t, server, stranger), { code: 5 })
  },
)

t.test('a connection ends with the certificate that let it in', { skip }, async (t) => {
  const server = await startServer(t)
  const lastsMs = 5000
  const until = Date.now() + lastsMs
  const shown = made.devices.issue('short', { subject: '/O=alice/CN=short', lastsMs })
  const client = await connect(t, server, shown, { clientId: 'short' })
  await new Promise<void>((resolve) => client.once('close', () => resolve()))
  t.ok(Date.now() > until - 1000)
})

t.test(
  'what is revoked keeps its connection, and gets no new one after a reload',
  { skip },
  async (t) => {
    const { devices } = made
    const server = await startServer(t, { tlsClientCrl: devices.revoke() })
    const stolen = devices.issue('stolen', { subject: '/O=alice/CN=stolen' })
    devices.revoke(stolen)
    const open = await connect(t, server, stolen, { clientId: 'stolen' })
    server.reload()
    await t.rejects(connect(t, server, stolen, { clientId: 'stolen' }))
    await connect(t, server, made.lamp)
    await open.publishAsync('u/alice/msg', 'still here', { qos: 1 })
  },
)

t.test('a certificate is looked at anew at each connection', { skip }, async (t) => {
  const server = await startServer(t)
  const old = { maxVersion: 'TLSv1.2' } as const
  const first = await resumable(t, server, old)
  const second = await resumable(t, server, { ...old, session: first.getSession() })
  t.notOk(second.isSessionReused(), 'it may have expired, or been revoked')
  const third = await resumable(t, server)
  const [session] = (await once(third, 'session')) as [Buffer]
  t.notOk((await resumable(t, server, { session })).isSessionReused(), 'with TLS 1.3 neither')
})
