// Mosquitto's command line clients over TLS, as the README shows them.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import t from 'tap'
import { makeAuthority } from '../support/certificates.ts'
import { connectDevice } from '../support/chat-client.ts'
import { requireProgram, skipWithout } from '../support/programs.ts'
import { startTestServer, temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'

const skip = skipWithout('mosquitto_pub', 'openssl')

async function publish(t: Test, words: readonly string[]): Promise<number> {
  const { command } = requireProgram('mosquitto_pub')
  const child = spawn(command as string, words, { stdio: 'ignore' })
  t.teardown(() => void child.kill())
  const [code] = await once(child, 'close')
  return code as number
}

t.test('mosquitto_pub speaks over TLS, with a token or with a certificate', { skip }, async (t) => {
  const folder = temporaryFolder(t)
  const authority = makeAuthority(folder)
  const devices = makeAuthority(folder, 'devices')
  const { certificate, key } = authority.issue('server', { names: ['localhost'] })
  const server = await startTestServer(t, {
    mqttsPort: '0',
    tlsCertificate: certificate,
    tlsKey: key,
    tlsClientAuth: 'optional',
    tlsClientCa: devices.file,
  })
  const phone = await connectDevice(t, server, { user: 'alice', id: 'phone' })
  await phone.mqtt.subscribeAsync('u/alice/#', { qos: 1 })
  const lamp = devices.issue('lamp', { subject: '/O=alice/CN=lamp' })
  const door = ['-h', 'localhost', '-p', String(server.mqttsPort), '--cafile', authority.file]
  const message = ['-q', '1', '-t', 'u/alice/msg', '-m']
  const token = ['-u', 'alice', '-P', await server.token('alice')]
  const proof = ['--cert', lamp.certificate, '--key', lamp.key]
  t.equal(await publish(t, [...door, ...token, ...message, 'with a token']), 0)
  t.equal(await publish(t, [...door, ...proof, '-i', 'lamp', ...message, 'with a certificate']), 0)
  await until('both', () => phone.texts().length === 2)
  t.same(phone.texts(), ['with a token', 'with a certificate'])
  t.not(await publish(t, [...door, ...message, 'with nothing']), 0)
  const stranger = ['-h', 'localhost', '-p', String(server.mqttsPort), '--cafile', devices.file]
  t.not(await publish(t, [...stranger, ...token, ...message, 'to somebody else']), 0)
})
