// How clients of MQTT 5 come and go: what they are told in CONNACK and DISCONNECT, and how long
// their sessions last.

import type { IConnectPacket } from 'mqtt-packet'
import mqtt from 'mqtt-packet'
import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import {
  bytesOf,
  connectPacket,
  field,
  openRaw,
  publishPacket,
  subscribePacket,
} from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const server = await startTestServer(t, { sessionExpirySeconds: '1000', keepAliveSecondsMax: '60' })
await server.addUser('alice')
await server.addUser('bob')
const alice = { user: 'alice', id: 'phone', level: 5 } as const
type Owner = Parameters<typeof openRaw>[0]
type Fields = Partial<IConnectPacket>

/** Connects at level 5, over TCP unless told otherwise; resolves when CONNACK has come. */
async function connect(t: Owner, fields: Fields = {}, webSocket = false): Promise<RawClient> {
  const client = await openRaw(t, server, { level: 5, webSocket })
  client.send(await connectPacket(server, alice, { clean: true, keepalive: 30, ...fields }))
  await client.wait('connack')
  return client
}

const connackOf = (client: RawClient) => client.of('connack')[0]

for (const webSocket of [false, true]) {
  const over = webSocket ? 'WebSocket' : 'TCP'

  t.test(`over ${over} CONNACK says what the server can do [MQTT5 3.2.2.3]`, async (t) => {
    const client = await connect(t, {}, webSocket)
    t.match(connackOf(client), {
      reasonCode: 0,
      sessionPresent: false,
      properties: {
        receiveMaximum: 128,
        maximumPacketSize: 262_144,
        sharedSubscriptionAvailable: false,
      },
    })
    const { properties = {} } = connackOf(client) ?? {}
    for (const name of ['serverKeepAlive', 'sessionExpiryInterval', 'assignedClientIdentifier']) {
      t.notOk(name in properties, `${name} is left out when it is as asked for`)
    }
  })
}

t.test('a keep-alive of none, or longer than allowed, is shortened [MQTT5-3.1.2-21]', async (t) => {
  for (const keepalive of [0, 61]) {
    const client = await connect(t, { keepalive })
    t.equal(connackOf(client)?.properties?.serverKeepAlive, 60)
  }
})

t.test('a client without an id is told the one it gets [MQTT5-3.1.3-7]', async (t) => {
  const client = await openRaw(t, server, { level: 5 })
  const packet = await connectPacket(server, alice, { clientId: '', clean: true })
  // mqtt-packet writes an empty id only with clean start; without it is allowed at level 5 too.
  const bytes = mqtt.generate(packet, { protocolVersion: 5 })
  bytes[bytes.indexOf('MQTT') + 5] = 0xc0
  client.send(bytes)
  const [connack] = await client.wait('connack')
  t.match(connack?.properties?.assignedClientIdentifier, /^auto-/)
})

t.test('a refusal is explained by its reason code [MQTT5 3.2.2.2]', async (t) => {
  const will = { topic: 't/not/granted', payload: Buffer.from(''), qos: 0, retain: false } as const
  const refused: readonly [string, Fields, number][] = [
    ['a bad token', { password: Buffer.from('no token') }, 0x86],
    ['a client id with a /', { clientId: 'a/b' }, 0x85],
    ['a will that is not granted', { will: { ...will, properties: {} } }, 0x87],
    ['an authentication method', { properties: { authenticationMethod: 'SCRAM-SHA-1' } }, 0x8c],
  ]
  for (const [what, fields, reasonCode] of refused) {
    const client = await connect(t, fields)
    t.match(connackOf(client), { reasonCode, sessionPresent: false }, what)
    t.type(connackOf(client)?.properties?.reasonString, 'string')
    await client.closed()
  }
})

t.test('who does not want reasons gets none [MQTT5-3.1.2-29]', async (t) => {
  const properties = { requestProblemInformation: false }
  const client = await connect(t, { password: Buffer.from('no token'), properties })
  t.equal(connackOf(client)?.properties?.reasonString, undefined)
})

t.test('a level of the protocol that is not spoken gets CONNACK 1 [MQTT-3.1.2-2]', async (t) => {
  for (const webSocket of [false, true]) {
    for (const level of [0, 2, 6, 0x84]) {
      const client = await openRaw(t, server, { webSocket })
      client.send(bytesOf(0x10, field('MQTT'), level, 2, 0, 0, field('phone')))
      t.equal((await client.wait('connack'))[0]?.returnCode, 1, `level ${level}`)
      await client.closed()
    }
  }
})

t.test('who is cut is told why [MQTT5 3.14.2.1]', async (t) => {
  const broken: readonly [string, Uint8Array, number][] = [
    ['a malformed packet', bytesOf(0x36, field('a'), 0, 1), 0x81],
    ['a property where it may not stand', bytesOf(0x30, field('a'), 2, 0x0b, 1), 0x82],
    ['a second CONNECT', bytesOf(0x10, field('MQTT'), 5, 2, 0, 0, 0, field('a')), 0x82],
    ['AUTH', bytesOf(0xf0), 0x82],
    ['a packet too large', Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]), 0x95],
  ]
  for (const [what, bytes, reasonCode] of broken) {
    const client = await connect(t)
    client.send(bytes)
    t.match(await client.wait('disconnect'), [{ reasonCode }], what)
    t.type(client.of('disconnect')[0]?.properties?.reasonString, 'string')
    await client.closed()
  }
})

t.test('a takeover is told to who was here before [MQTT5-3.1.4-3]', async (t) => {
  const first = await connect(t)
  await connect(t)
  t.match(await first.wait('disconnect'), [{ reasonCode: 0x8e }])
  await first.closed()
})

t.test('silence beyond the keep-alive is told [MQTT5 3.1.2.10]', async (t) => {
  const client = await connect(t, { keepalive: 1 })
  t.match(await client.wait('disconnect'), [{ reasonCode: 0x8d }])
  await client.closed()
})

t.test('a server that stops sends its clients elsewhere', async (t) => {
  const endings: (() => Promise<void> | void)[] = []
  const other = await startTestServer({ teardown: (work) => void endings.push(work) })
  await other.addUser('alice')
  const client = await openRaw(t, other, { level: 5 })
  client.send(await connectPacket(other, alice))
  await client.wait('connack')
  for (const end of endings.reverse()) await end()
  t.match(client.of('disconnect'), [{ reasonCode: 0x9c }])
})

async function present(t: Owner, fields: Fields): Promise<boolean | undefined> {
  const client = await connect(t, fields)
  const { sessionPresent } = connackOf(client) ?? {}
  client.send({ cmd: 'disconnect' })
  await client.closed()
  return sessionPresent
}

const lasting = (seconds: number): Fields => ({
  properties: { sessionExpiryInterval: seconds },
})

t.test('a session without an expiry ends with its connection [MQTT5 3.1.2.11.2]', async (t) => {
  t.equal(await present(t, { clientId: 'a', clean: false }), false)
  t.equal(await present(t, { clientId: 'a', clean: false }), false)
})

t.test('a session with one lasts so long [MQTT5-3.1.2-23]', async (t) => {
  t.equal(await present(t, { clientId: 'b', clean: true, ...lasting(1) }), false)
  t.equal(await present(t, { clientId: 'b', clean: false, ...lasting(1) }), true)
  const left = Date.now()
  await until('it is over', () => Date.now() > left + 1000)
  t.equal(await present(t, { clientId: 'b', clean: false, ...lasting(1) }), false)
})

t.test('clean start drops what was kept [MQTT5-3.1.2-4]', async (t) => {
  t.equal(await present(t, { clientId: 'c', clean: false, ...lasting(100) }), false)
  t.equal(await present(t, { clientId: 'c', clean: true, ...lasting(100) }), false)
  t.equal(await present(t, { clientId: 'c', clean: false, ...lasting(100) }), true)
})

t.test('an expiry above the longest is shortened, and told [MQTT5 3.2.2.3.2]', async (t) => {
  const client = await connect(t, { clientId: 'd', ...lasting(0xff_ff_ff_ff) })
  t.equal(connackOf(client)?.properties?.sessionExpiryInterval, 1000)
})

t.test('DISCONNECT may change the expiry, but not of a session that ends', async (t) => {
  const lastingOne = await connect(t, { clientId: 'e', ...lasting(100) })
  lastingOne.send({ cmd: 'disconnect', properties: { sessionExpiryInterval: 0 } })
  await lastingOne.closed()
  t.equal(await present(t, { clientId: 'e', clean: false, ...lasting(100) }), false)
  const ending = await connect(t, { clientId: 'f' })
  ending.send({ cmd: 'disconnect', properties: { sessionExpiryInterval: 5 } })
  t.match(await ending.wait('disconnect'), [{ reasonCode: 0x82 }], '[MQTT5-3.14.2-2]')
})

t.test('nothing after DISCONNECT is processed [MQTT5-3.14.4-1]', async (t) => {
  const reader = await openRaw(t, server)
  reader.send(await connectPacket(server, { user: 'bob', id: 'phone' }, { clean: true }))
  await reader.wait('connack')
  reader.send(subscribePacket('u/bob/msg', 1))
  await reader.wait('suback')
  const client = await connect(t)
  const before = mqtt.generate(publishPacket('u/bob/msg', 'before', 1), { protocolVersion: 5 })
  const after = mqtt.generate(publishPacket('u/bob/msg', 'after', 2), { protocolVersion: 5 })
  client.send(Buffer.concat([before, Buffer.from([0xe0, 0]), after]))
  await client.closed()
  const last = await connect(t)
  last.send(mqtt.generate(publishPacket('u/bob/msg', 'last', 3), { protocolVersion: 5 }))
  await until('the last', () => reader.of('publish').length >= 2)
  t.match(
    reader.of('publish').map(({ payload }) => JSON.parse(payload.toString()).text),
    ['before', 'last'],
  )
})
