// A real HAProxy with docker/haproxy.cfg, of which only addresses, ports and bounds are changed, in
// front of three brokers and an API: who comes in by which door, and with which address.

import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import type { IClientOptions } from 'mqtt'
import mqtt, { MqttClient } from 'mqtt'
import { pino } from 'pino'
import type { Test } from 'tap'
import t from 'tap'
import { makeAuthority } from '../support/certificates.ts'
import { freePort, startEngine } from '../support/engine-process.ts'
import { requireProgram, skipWithout } from '../support/programs.ts'
import { startTestServer, type TestServer, temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'
import { pathOf, readDockerFile } from './support.ts'

const skip = skipWithout('haproxy', 'openssl')
const { command = '' } = requireProgram('haproxy')
/** Where HAProxy is when it speaks to Parley, and where the clients of these tests are. */
const proxyAddress = '127.0.0.2'
const localAddress = '127.0.0.5'

const doors = [1883, 8883, 8080, 8443, 8404] as const
type Ports = Readonly<Record<(typeof doors)[number], number>>

interface Behind {
  readonly brokers: readonly TestServer[]
  readonly api: TestServer
}

/** The configuration with other values; each of them must be there. */
function render(ports: Ports, { brokers, api }: Behind, changes: readonly [string, string][] = []) {
  let text = readDockerFile('haproxy.cfg')
  const replace = (from: string, to: string) => {
    if (!text.includes(from)) throw new Error(`haproxy.cfg has no '${from}'`)
    text = text.replaceAll(from, to)
  }
  for (const door of doors) replace(`bind :${door}`, `bind 127.0.0.1:${ports[door]}`)
  const servers = [...brokers.map((it, index) => [`broker-${index + 1}`, it] as const)]
  for (const [name, { mqttPort, httpPort }] of [...servers, ['api', api] as const]) {
    const to = (port: number) => `127.0.0.1:${port} port ${httpPort} source ${proxyAddress}\n`
    if (name !== 'api') replace(` ${name}:1883\n`, ` ${to(mqttPort)}`)
    replace(` ${name}:8080\n`, ` ${to(httpPort)}`)
  }
  // What an ordinary user may open.
  replace('maxconn 64000', 'maxconn 400')
  replace('maxconn 60000', 'maxconn 100')
  for (const [from, to] of changes) replace(from, to)
  return text
}

/** A certificate for localhost, as HAProxy wants it, and who has signed it. */
function makeCertificate(t: Test) {
  const folder = temporaryFolder(t)
  const authority = makeAuthority(folder)
  const { certificate, key } = authority.issue('server', { names: ['localhost'] })
  const file = join(folder, 'both.pem')
  writeFileSync(file, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'))
  return { file, ca: authority.text }
}

async function startProxy(t: Test, behind: Behind, changes?: readonly [string, string][]) {
  const free: Record<number, number> = {}
  for (const door of doors) free[door] = await freePort()
  const ports = free as Ports
  const { file: certificate, ca } = makeCertificate(t)
  const file = join(temporaryFolder(t), 'haproxy.cfg')
  writeFileSync(file, render(ports, behind, changes))
  const isReady = () =>
    fetch(`http://127.0.0.1:${ports[8404]}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    )
  const environment = { TLS_CERTIFICATE: certificate }
  const args = ['-db', '-f', file]
  await startEngine(t, { name: 'haproxy', command, args, port: ports[1883], environment, isReady })
  return { ports, ca }
}

/** Three brokers without chat, and what each has logged. */
async function startBrokers(t: Test) {
  const proxied = { proxyProtocolFrom: proxyAddress }
  const flags = { ...proxied, roles: 'broker', openTopics: '#', anonymous: 'true' }
  const logs: { readonly peer?: string; readonly level: number }[][] = [[], [], []]
  const brokers: TestServer[] = []
  for (const lines of logs) {
    const write = (line: string) => void lines.push(JSON.parse(line))
    brokers.push(await startTestServer(t, flags, pino({ level: 'debug' }, { write })))
    // It has warned of what anonymous means.
    lines.length = 0
  }
  const api = await startTestServer(t, { ...proxied, roles: 'api', metricsAccess: 'open' })
  return { brokers, api, logs }
}

/** Goes through every door for MQTT, from `localAddress`. */
async function openDoors(t: Test, ports: Ports, ca: string): Promise<MqttClient[]> {
  const options: IClientOptions = { reconnectPeriod: 0, connectTimeout: 10_000 }
  const here = { host: '127.0.0.1', localAddress }
  const secure = { ca, servername: 'localhost' }
  const wsOptions = { localAddress, ...secure }
  const clients = [
    new MqttClient(() => connectTcp({ ...here, port: ports[1883] }), { ...options }),
    new MqttClient(
      () => connectTls({ ...secure, socket: connectTcp({ ...here, port: ports[8883] }) }),
      { ...options },
    ),
    mqtt.connect(`ws://127.0.0.1:${ports[8080]}/mqtt`, { ...options, wsOptions }),
    mqtt.connect(`wss://127.0.0.1:${ports[8443]}/mqtt`, { ...options, wsOptions }),
  ]
  for (const client of clients) {
    t.teardown(() => client.endAsync(true))
    client.on('error', (error) => t.fail(error))
  }
  await until('all are connected', () => clients.every(({ connected }) => connected))
  return clients
}

/** Publishes to itself. */
async function echo(client: MqttClient, topic: string): Promise<string> {
  const heard = new Promise<string>((resolve) => {
    client.once('message', (_topic, payload) => resolve(payload.toString()))
  })
  await client.subscribeAsync(topic, { qos: 1 })
  await client.publishAsync(topic, `to ${topic}`, { qos: 1 })
  return heard
}

t.test('HAProxy takes haproxy.cfg, with TLS and without', { skip }, async (t) => {
  const unresolved = /^\[WARNING\].*could not resolve address|^Warnings were found/
  for (const TLS_CERTIFICATE of ['', makeCertificate(t).file]) {
    const options = { env: { TLS_CERTIFICATE }, encoding: 'utf8' } as const
    const words = ['-c', '-f', pathOf('haproxy.cfg')]
    const { status, stderr } = spawnSync(command, words, options)
    t.equal(status, 0, stderr)
    const lines = stderr.split('\n').filter((line) => /^\[(WARNING|ALERT)|^Warn/.test(line))
    t.same(
      lines.filter((line) => !unresolved.test(line)),
      [],
    )
  }
})

t.test('MQTT passes by every door, with the address of the client', { skip }, async (t) => {
  const behind = await startBrokers(t)
  const { ports, ca } = await startProxy(t, behind)
  const clients = await openDoors(t, ports, ca)
  for (const [index, client] of clients.entries()) {
    t.equal(await echo(client, `door/${index}`), `to door/${index}`)
  }
  for (const client of clients) client.stream.destroy()
  const peers = () => behind.logs.flat().flatMap(({ peer }) => peer ?? [])
  await until('all are gone', () => peers().length >= clients.length)
  t.ok(
    peers().every((peer) => peer.startsWith(`${localAddress}:`)),
    peers().join(),
  )
  t.same(
    behind.logs.flat().filter(({ level }) => level > 30),
    [],
    'checks are silent',
  )
})

t.test('each client goes to who has the fewest, and on when a broker goes', { skip }, async (t) => {
  const behind = await startBrokers(t)
  const { ports } = await startProxy(t, behind)
  const connect = async () => {
    const client = mqtt.connect(`mqtt://127.0.0.1:${ports[1883]}`, { reconnectPeriod: 50 })
    t.teardown(() => client.endAsync(true))
    client.on('error', () => {})
    await until('it is connected', () => client.connected)
    return client
  }
  const clients = [await connect(), await connect(), await connect()]
  const open = async ({ httpUrl }: TestServer) => {
    const text = await (await fetch(`${httpUrl}/metrics`)).text()
    return Number(/^parley_connections\{transport="tcp",state="open"\} (\d+)$/m.exec(text)?.[1])
  }
  t.same(await Promise.all(behind.brokers.map(open)), [1, 1, 1])
  await behind.brokers[0]?.close()
  const rest = behind.brokers.slice(1)
  const total = async () => (await Promise.all(rest.map(open))).reduce((sum, n) => sum + n, 0)
  await until('all are at the others', async () => (await total()) === clients.length)
  await connect()
  t.equal(await total(), 4)
})

t.test('the API knows its clients apart, and nobody reads the metrics', { skip }, async (t) => {
  const behind = await startBrokers(t)
  const { ports } = await startProxy(t, behind)
  const ask = (method: string, path: string, from = localAddress) =>
    new Promise<number | undefined>((resolve, reject) => {
      const to = { host: '127.0.0.1', port: ports[8080], localAddress: from, agent: false }
      const asked = request({ ...to, method, path }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
      asked.once('error', reject)
      asked.end()
    })
  t.equal(await ask('GET', '/healthz'), 200)
  t.equal(await ask('GET', '/docs/'), 200, 'of the API, which the brokers have not')
  t.equal((await fetch(`${behind.api.httpUrl}/metrics`)).status, 200)
  for (const path of ['/metrics', '/%6detrics', '/metrics?x', '/metrics%3Fx', '/metrics/']) {
    t.equal(await ask('GET', path), 404, path)
  }
  const statuses: (number | undefined)[] = []
  for (let n = 0; n < 11; n++) statuses.push(await ask('POST', '/v1/auth/register'))
  t.same(new Set(statuses.slice(0, -1)).has(429), false)
  t.equal(statuses.at(-1), 429, 'it has used up its rate')
  t.not(await ask('POST', '/v1/auth/register', '127.0.0.6'), 429, 'another one has not')
})

t.test('who says nothing stays as long as MQTT lets him', { skip }, async (t) => {
  const behind = await startBrokers(t)
  const { ports, ca } = await startProxy(t, behind, [
    ['timeout client 60s', 'timeout client 1s'],
    ['timeout server 60s', 'timeout server 1s'],
    ['timeout http-request 10s', 'timeout http-request 3s'],
    ['timeout http-keep-alive 60s', 'timeout http-keep-alive 3s'],
  ])
  const clients = await openDoors(t, ports, ca)
  // As long as HAProxy keeps a connection that asks nothing, three times those timeouts.
  const silent = connectTcp({ host: '127.0.0.1', port: ports[8080] })
  await new Promise((resolve) => silent.resume().once('close', resolve))
  for (const [index, client] of clients.entries()) {
    t.equal(await echo(client, `later/${index}`), `to later/${index}`)
  }
})
