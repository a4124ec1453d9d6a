// How many sessions are kept: of one user, and of all clients of the trusted mode.

import t from 'tap'
import { connectPacket, openRaw } from '../support/raw-client.ts'
import type { TestServer } from '../support/server.ts'
import { startTestServer } from '../support/server.ts'

type Owner = Parameters<typeof openRaw>[0]
type Level = 3 | 4 | 5

interface Device {
  readonly id: string
  readonly user?: string
  readonly level?: Level
  readonly clean?: boolean
}

/** Connects a device that asks for its session to be kept, unless it is clean; the answer. */
async function connect(t: Owner, server: TestServer, device: Device) {
  const { id, user = 'alice', level = 4, clean = false } = device
  const client = await openRaw(t, server, { level })
  const lasting = level === 5 && !clean ? { properties: { sessionExpiryInterval: 100 } } : {}
  client.send(await connectPacket(server, { user, id, level }, { clean, ...lasting }))
  const [connack] = await client.wait('connack')
  return { client, connack }
}

/** The same of a client of the trusted mode, which leaves again. */
async function visit(t: Owner, server: TestServer, clientId: string, clean = false) {
  const client = await openRaw(t, server, { level: 4 })
  const version = { protocolId: 'MQTT', protocolVersion: 4 } as const
  client.send({ cmd: 'connect', ...version, clientId, clean, keepalive: 0 })
  const [connack] = await client.wait('connack')
  client.send({ cmd: 'disconnect' })
  await client.closed()
  return connack
}

async function startFor(t: Owner, devicesPerUserMax: string): Promise<TestServer> {
  const server = await startTestServer(t, { devicesPerUserMax })
  for (const user of ['alice', 'bob']) await server.addUser(user)
  return server
}

t.test('a durable device that is one too many of its user is refused', async (t) => {
  const server = await startFor(t, '2')
  for (const id of ['phone', 'laptop']) {
    const { client } = await connect(t, server, { id })
    client.send({ cmd: 'disconnect' })
    await client.closed()
  }
  for (const level of [3, 4] as const) {
    const { client, connack } = await connect(t, server, { id: 'tablet', level })
    t.equal(connack?.returnCode, 3)
    await client.closed()
  }
  const refused = await connect(t, server, { id: 'tablet', level: 5 })
  t.match(refused.connack, {
    reasonCode: 0x97,
    properties: { reasonString: 'a user may have 2 devices that are kept' },
  })
  await refused.client.closed()
})

t.test('others are not: known ones, clean ones, those of other users', async (t) => {
  const server = await startFor(t, '1')
  t.equal((await connect(t, server, { id: 'phone' })).connack?.returnCode, 0)
  t.match((await connect(t, server, { id: 'phone' })).connack, {
    returnCode: 0,
    sessionPresent: true,
  })
  t.equal((await connect(t, server, { id: 'tablet', clean: true })).connack?.returnCode, 0)
  t.equal((await connect(t, server, { id: 'pad', user: 'bob' })).connack?.returnCode, 0)
})

t.test('a device that has gone for good leaves its place to another', async (t) => {
  const server = await startFor(t, '1')
  await connect(t, server, { id: 'phone' })
  t.equal((await connect(t, server, { id: 'laptop' })).connack?.returnCode, 3)
  await connect(t, server, { id: 'phone', clean: true })
  t.equal((await connect(t, server, { id: 'laptop' })).connack?.returnCode, 0)
})

t.test('the trusted mode keeps as many sessions as there may be connections', async (t) => {
  const trusted = { openTopics: '#', anonymous: 'true', connectionsMax: '2' }
  const server = await startTestServer(t, trusted)
  for (const id of ['a', 'b']) t.equal((await visit(t, server, id))?.returnCode, 0)
  t.equal((await visit(t, server, 'c'))?.returnCode, 3)
  t.match(await visit(t, server, 'a'), { returnCode: 0, sessionPresent: true })
  t.equal((await visit(t, server, 'b', true))?.returnCode, 0, 'whose session ends')
  t.equal((await visit(t, server, 'c'))?.returnCode, 0, 'so there is room')
})
