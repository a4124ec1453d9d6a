// TLS as an operator meets it: what serve prints, what SIGHUP does, what keeps it from starting.

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import t from 'tap'
import { makeAuthority } from '../support/certificates.ts'
import { requireProgram } from '../support/programs.ts'
import { runParley, startServer } from './parley.ts'

const { skip } = requireProgram('openssl')
const serverWords = ['--mqtts-port', '0', '--https-port', '0']

/** A folder with certificates, and the words that name `server.pem`. */
function setUp(t: Test) {
  const cwd = t.testdir()
  const authority = makeAuthority(cwd)
  authority.issue('server')
  const words = [...serverWords, '--tls-certificate', 'server.pem', '--tls-key', 'server.key']
  return { cwd, authority, words, ca: authority.text }
}

async function handshake(t: Test, port: number, ca: string): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, ca })
  t.teardown(() => void socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

async function serialOf(t: Test, port: number, ca: string): Promise<string> {
  const socket = await handshake(t, port, ca)
  return socket.getPeerCertificate().serialNumber
}

t.test(
  'serve prints the addresses of TLS, and SIGHUP reads the files again',
  { skip },
  async (t) => {
    const { cwd, authority, words, ca } = setUp(t)
    const server = await startServer(t, { cwd }, words)
    const [, mqtts = ''] = await server.until(/^listening mqtts:\/\/127\.0\.0\.1:(\d+)$/m)
    const [, https = ''] = await server.until(/^listening https:\/\/127\.0\.0\.1:(\d+)$/m)
    const open = await handshake(t, Number(mqtts), ca)
    const before = await serialOf(t, Number(mqtts), ca)
    authority.issue('server')
    server.signal('SIGHUP')
    await server.until(/the TLS certificates were read again/)
    t.not(await serialOf(t, Number(mqtts), ca), before)
    t.not(await serialOf(t, Number(https), ca), before)
    t.notOk(open.destroyed, 'who is connected stays')

    const after = await serialOf(t, Number(mqtts), ca)
    writeFileSync(join(cwd, 'server.key'), 'nonsense')
    server.signal('SIGHUP')
    await server.until(/"reason":"the private key server\.key is not a private key in PEM"/)
    t.equal(await serialOf(t, Number(mqtts), ca), after)
    server.signal('SIGTERM')
    const { code, stdout, stderr } = await server.ended()
    t.match({ code, stdout }, { code: 0, stdout: /\nstopped\n$/ })
    t.notMatch(stdout + stderr, /PRIVATE|^ +at /m)
  },
)

t.test('without certificates SIGHUP ends the server, as when its terminal closes', async (t) => {
  const server = await startServer(t, { cwd: t.testdir() })
  server.signal('SIGHUP')
  t.equal((await server.ended()).code, null)
})

t.test('files that cannot be used are one line and exit code 1', { skip }, async (t) => {
  const { cwd, authority } = setUp(t)
  authority.issue('other')
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['gone.pem', 'server.key', /^parley: the certificate gone\.pem cannot be read \(ENOENT\)$/m],
    ['server.pem', 'other.key', /^parley: .* other\.key does not belong to server\.pem$/m],
  ]
  for (const [certificate, key, message] of cases) {
    const files = ['--tls-certificate', certificate, '--tls-key', key]
    const ports = ['--mqtt-port', '0', '--http-port', '0', ...serverWords]
    const { code, stdout, stderr } = await runParley(t, ['serve', ...ports, ...files], { cwd })
    t.match({ code, stdout }, { code: 1, stdout: '' }, certificate)
    t.match(stderr, message)
    t.notMatch(stderr, /^ +at |PRIVATE/m)
  }
})

t.test('a certificate that has expired is warned of', { skip }, async (t) => {
  const { cwd, authority, words } = setUp(t)
  authority.issue('server', { lastsMs: -60_000 })
  const server = await startServer(t, { cwd }, words)
  await server.until(/"level":40.*the certificate server\.pem expired at /)
})
