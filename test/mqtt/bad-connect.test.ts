// Connections that must be refused, each with the answer the issue names, over TCP and WebSocket.

import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { generateKeyPair, importJWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import type { IConnectPacket } from 'mqtt-packet'
import t from 'tap'
import { codesOf, returnCodeOf } from '../support/level.ts'
import type { RawOptions } from '../support/raw-client.ts'
import { bytesOf, connectPacket, connectRaw, field, openRaw } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { makeBystanders } from './bystanders.ts'

const server = await startTestServer(t)
const bystanders = await makeBystanders(t, server)
await server.addUser('alice')

const soon = () => Math.floor(Date.now() / 1000) + 600
const goodClaims = { iss: 'parley', aud: 'parley', sub: 'alice' }
const [jwk] = JSON.parse(readFileSync(join(server.data, 'keys.json'), 'utf8')).keys
const serverKey = await importJWK(jwk, 'EdDSA')
const header = { alg: 'EdDSA', kid: jwk.kid as string }

function sign(claims: JWTPayload, key = serverKey, protectedHeader = header): Promise<string> {
  return new SignJWT({ exp: soon(), ...claims }).setProtectedHeader(protectedHeader).sign(key)
}

/** The return code (of 3.1.1) of the CONNACK to these fields; the connection must end after a
 * refusal. */
async function answerTo(
  t: Parameters<typeof openRaw>[0],
  fields: Partial<IConnectPacket>,
  options: RawOptions = {},
): Promise<number | undefined> {
  const packet = await connectPacket(server, { user: 'alice', id: 'phone' }, fields)
  const client = await openRaw(t, server, options)
  client.send(packet)
  const [connack] = await client.wait('connack')
  if (returnCodeOf(connack) !== 0) await client.closed()
  client.stream.destroy()
  return returnCodeOf(connack)
}

/** A CONNECT without a password; the type has no way to say so but to leave it out. */
async function answerWithoutToken(t: Parameters<typeof openRaw>[0], options: RawOptions = {}) {
  const { password: _, ...packet } = await connectPacket(server, { user: 'alice', id: 'phone' })
  const client = await openRaw(t, server, options)
  client.send(packet)
  const [connack] = await client.wait('connack')
  if (returnCodeOf(connack) !== 0) await client.closed()
  client.stream.destroy()
  return returnCodeOf(connack)
}

t.test('a token that is not good is refused with return code 4', async (t) => {
  const foreign = await generateKeyPair('EdDSA', { extractable: true })
  const hmac = new TextEncoder().encode(jwk.x)
  const good = await sign(goodClaims)
  const [head, body, signature] = good.split('.') as [string, string, string]
  const other = Buffer.from(JSON.stringify({ ...goodClaims, sub: 'carol', exp: soon() }))
  const tokens: Record<string, string> = {
    'an empty password': '',
    'no JWT': 'let me in',
    'an expired token': await sign({ ...goodClaims, exp: soon() - 601 }),
    'a token without expiry': await new SignJWT(goodClaims)
      .setProtectedHeader(header)
      .sign(serverKey),
    'a token that is not valid yet': await sign({ ...goodClaims, nbf: soon() }),
    'a wrong audience': await sign({ ...goodClaims, aud: 'others' }),
    'no audience': await sign({ iss: 'parley', sub: 'alice' }),
    'a wrong issuer': await sign({ ...goodClaims, iss: 'others' }),
    'no subject': await sign({ iss: 'parley', aud: 'parley' }),
    'a subject that is no user id': await sign({ ...goodClaims, sub: 'a/+' }),
    'alg none': new UnsecuredJWT({ ...goodClaims, exp: soon() }).encode(),
    'a key of somebody else': await sign(goodClaims, foreign.privateKey),
    'an unknown kid': await sign(goodClaims, serverKey, { alg: 'EdDSA', kid: 'other' }),
    'no kid': await sign(goodClaims, serverKey, { alg: 'EdDSA' } as typeof header),
    'HS256 with the public key as its secret': await sign(goodClaims, hmac, {
      ...header,
      alg: 'HS256',
    }),
    'a body that was exchanged': `${head}.${other.toString('base64url')}.${signature}`,
    'no signature': `${head}.${body}.`,
    'a token above 8192 characters': `${good}${'A'.repeat(9000)}`,
  }
  for (const [what, token] of Object.entries(tokens)) {
    t.equal(await answerTo(t, { password: Buffer.from(token) }), 4, what)
  }
  t.equal(await answerTo(t, { password: Buffer.from(good) }), 0, 'the good one passes')
  await bystanders.areUnharmed(t)
})

t.test('no token is refused with return code 4', async (t) => {
  t.equal(await answerWithoutToken(t), 4, 'over TCP')
  t.equal(await answerWithoutToken(t, { webSocket: true }), 4, 'over WebSocket')
  t.equal(await answerWithoutToken(t, { webSocket: true, query: '?access_token=' }), 4, 'empty')
  await bystanders.areUnharmed(t)
})

t.test('a good token of a user who does not exist is refused with return code 5', async (t) => {
  const password = Buffer.from(await sign({ ...goodClaims, sub: 'nobody' }))
  t.equal(await answerTo(t, { password }), 5)
})

t.test('a browser may give its token with the WebSocket upgrade', async (t) => {
  const token = await server.token('alice')
  const ways: Record<string, RawOptions> = {
    'in the Authorization header': { headers: { authorization: `Bearer ${token}` } },
    'as ?access_token=': { query: `?access_token=${token}` },
  }
  for (const [what, way] of Object.entries(ways)) {
    t.equal(await answerWithoutToken(t, { webSocket: true, ...way }), 0, what)
  }
  const bad = await sign({ ...goodClaims, aud: 'others' })
  const headers = { authorization: `Bearer ${bad}` }
  t.equal(await answerWithoutToken(t, { webSocket: true, headers }), 4, 'a bad token there')
  t.equal(await answerWithoutToken(t, { webSocket: true, query: `?access_token=${bad}` }), 4)
})

t.test('the user is the one of the token, whatever the CONNECT calls them', async (t) => {
  const client = await connectRaw(t, server, { user: 'alice', id: 'tab' }, { username: 'carol' })
  const filters = ['u/carol/#', 'u/alice/#'].map((topic) => ({ topic, qos: 1 as const }))
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: filters })
  const [suback] = await client.wait('suback')
  t.same(codesOf(suback), [128, 1])
  await bystanders.areUnharmed(t)
})

t.test('an unknown protocol level is refused with return code 1', async (t) => {
  for (const [name, level] of [
    ['MQTT', 0],
    ['MQTT', 3],
    ['MQTT', 6],
    ['MQTT', 0x84],
    ['MQIsdp', 4],
  ] as const) {
    const client = await openRaw(t, server)
    client.send(bytesOf(0x10, field(name), level, 2, 0, 60, field('phone')))
    const [connack] = await client.wait('connack')
    t.equal(connack?.returnCode, 1, `${name} ${level}`)
    await client.closed()
  }
})

t.test('a client of MQTT 3.1 may connect', async (t) => {
  const fields = { protocolId: 'MQIsdp', protocolVersion: 3 } as const
  t.equal(await answerTo(t, fields), 0)
})

t.test('a client id that cannot be a device is refused with return code 2', async (t) => {
  const ids = { 'a slash': 'a/b', 'a wildcard': '+', 'a space': 'a b', long: 'x'.repeat(129) }
  for (const [what, clientId] of Object.entries(ids)) {
    t.equal(await answerTo(t, { clientId }), 2, what)
  }
  t.equal(await answerTo(t, { clientId: 'x'.repeat(128) }), 0, '128 bytes are accepted')
})

t.test('an empty client id needs clean=1', async (t) => {
  const empty = (clean: number) => (password: string) =>
    bytesOf(0x10, field('MQTT'), 4, 0xc0 | clean, 0, 0, field(''), field('alice'), field(password))
  const token = await server.token('alice')
  for (const [clean, code] of [
    [0, 2],
    [2, 0],
  ] as const) {
    const client = await openRaw(t, server)
    client.send(empty(clean)(token))
    const [connack] = await client.wait('connack')
    t.equal(connack?.returnCode, code)
    if (code > 0) await client.closed()
  }
})

t.test('a will is for the own presence only, else return code 5', async (t) => {
  const will = (topic: string) => ({ will: { topic, payload: 'x', qos: 1 as const } })
  for (const topic of ['u/carol/msg', 'u/alice/msg', 'u/carol/presence', 'g/club/msg', '$SYS/x']) {
    t.equal(await answerTo(t, will(topic)), 5, topic)
  }
  t.equal(await answerTo(t, will('u/alice/presence')), 0)
  await bystanders.areUnharmed(t)
})

t.test('what is not an MQTT CONNECT ends the connection', async (t) => {
  const token = await server.token('alice')
  const tail = [0, 60, field('phone'), field('alice'), field(token)]
  const broken: Record<string, Buffer> = {
    'another protocol': bytesOf(0x10, field('HTTP'), 4, 0xc2, ...tail),
    'an HTTP request': Buffer.from(`GET / HTTP/1.1\r\nHost: ${'x'.repeat(80)}\r\n\r\n`),
    'a TLS hello': Buffer.from('16030100c8010000c403', 'hex'),
    'an empty CONNECT': bytesOf(0x10),
    'a CONNECT that ends too early': bytesOf(0x10, field('MQTT'), 4, 0xc2, 0, 60, field('phone')),
    'flags in the fixed header': bytesOf(0x11, field('MQTT'), 4, 0xc2, ...tail),
    'the reserved flag': bytesOf(0x10, field('MQTT'), 4, 0xc3, ...tail),
  }
  for (const [what, bytes] of Object.entries(broken)) {
    const client = await openRaw(t, server)
    client.send(bytes)
    await client.closed()
    t.same(client.packets, [], what)
  }
  await bystanders.areUnharmed(t)
})

t.test('a text frame ends the connection, as MQTT travels in binary ones', async (t) => {
  const client = await openRaw(t, server, { webSocket: true })
  const { socket } = client.stream as unknown as { socket: { send(text: string): void } }
  socket.send('hello')
  await client.closed()
  await bystanders.areUnharmed(t)
})

t.test('a WebSocket upgrade that is not for MQTT is refused', async (t) => {
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13'
  const upgrade = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket'
  const ask = async (path: string, headers: string) => {
    const socket = connect({ port: server.httpPort, host: '127.0.0.1' })
    t.teardown(() => void socket.destroy())
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
    })
    socket.on('error', () => {})
    socket.write(`GET ${path} HTTP/1.1\r\n${upgrade}\r\n${headers}\r\n\r\n`)
    await until('an answer', () => answer.includes('\r\n\r\n') || socket.closed)
    socket.destroy()
    return answer.slice(9, 12)
  }
  const protocol = 'Sec-WebSocket-Protocol'
  t.equal(await ask('/mqtt', `${key}\r\n${protocol}: chat, mqtt`), '101')
  t.equal(await ask('/other', `${key}\r\n${protocol}: mqtt`), '404', 'another path')
  t.equal(await ask('/mqtt', `${key}\r\n${protocol}: chat`), '400', 'another subprotocol')
  t.equal(await ask('/mqtt', key), '400', 'no subprotocol')
  t.equal(await ask('/mqtt', `${protocol}: mqtt`), '400', 'no key')
  for (const path of ['//', 'http://:99999999/mqtt', '/%00']) {
    t.match(await ask(path, `${key}\r\n${protocol}: mqtt`), /^4/, `the path ${path}`)
  }
  await bystanders.areUnharmed(t)
})
