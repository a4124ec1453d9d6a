// A real HAProxy in front of every door, with `send-proxy-v2` and health checks.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { generate } from 'mqtt-packet'
import { pino } from 'pino'
import type { Test } from 'tap'
import t from 'tap'
import { makeAuthority } from '../support/certificates.ts'
import { requireProgram, skipWithout } from '../support/programs.ts'
import { startTestServer, type TestServer, temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'

const skip = skipWithout('haproxy', 'openssl')
/** Where the clients of these tests are. */
const localAddress = '127.0.0.5'

interface Ports {
  readonly mqtt: number
  readonly http: number
  readonly mqtts: number
}

function configuration(server: TestServer, ports: Ports): string {
  const to = 'send-proxy-v2 check inter 50ms check-send-proxy source 127.0.0.2'
  const door = (name: keyof Ports, mode: 'tcp' | 'http', port: number) => `
listen ${name}
  mode ${mode}
  bind 127.0.0.1:${ports[name]}
  server parley 127.0.0.1:${port} ${to}
`
  return `defaults
  timeout connect 5s
  timeout client 1m
  timeout server 1m
${door('mqtt', 'tcp', server.mqttPort)}${door('http', 'http', server.httpPort)}
${door('mqtts', 'tcp', server.mqttsPort)}`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function startProxy(t: Test, server: TestServer): Promise<Ports> {
  const ports = { mqtt: await freePort(), http: await freePort(), mqtts: await freePort() }
  const file = join(temporaryFolder(t), 'haproxy.cfg')
  writeFileSync(file, configuration(server, ports))
  const { command } = requireProgram('haproxy')
  const child = spawn(command as string, ['-db', '-f', file], { stdio: 'ignore' })
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null) await once(child, 'close')
  })
  await until('HAProxy listens', () => isOpen(ports.mqtts))
  return ports
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

t.test(
  'behind HAProxy clients keep their addresses, and checks are silent',
  { skip },
  async (t) => {
    const authority = makeAuthority(temporaryFolder(t))
    const { certificate, key } = authority.issue('server')
    const lines: { level: number; peer?: string; part?: string }[] = []
    const write = (line: string) => void lines.push(JSON.parse(line))
    const flags = {
      proxyProtocolFrom: '127.0.0.2',
      mqttsPort: '0',
      tlsCertificate: certificate,
      tlsKey: key,
    }
    const server = await startTestServer(t, flags, pino({ level: 'debug' }, { write }))
    const ports = await startProxy(t, server)
    const bad = generate({
      cmd: 'connect',
      clientId: 'phone',
      clean: true,
      username: 'alice',
      password: Buffer.from('no token'),
    })
    const seen = () => lines.filter(({ peer }) => peer?.startsWith(`${localAddress}:`)).length

    const plain = connectTcp({ host: '127.0.0.1', port: ports.mqtt, localAddress })
    plain.end(bad)
    plain.resume()
    await until('the client over TCP', () => seen() === 1)

    const socket = connectTcp({ host: '127.0.0.1', port: ports.mqtts, localAddress })
    const secure = connectTls({ socket, ca: authority.text, host: '127.0.0.1' })
    secure.write(bad)
    secure.resume()
    await until('the client over TLS', () => seen() === 2)

    const answer = await fetch(`http://127.0.0.1:${ports.http}/healthz`)
    t.equal(answer.status, 200)
    await answer.text()
    t.same(
      lines.filter(({ level }) => level > 30),
      [],
    )
  },
)
