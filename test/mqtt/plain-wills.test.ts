// Wills to plain topics: published when a connection ends without DISCONNECT, and only then.

import { Buffer } from 'node:buffer'
import type { IConnectPacket } from 'mqtt-packet'
import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import {
  bytesOf,
  connectPacket,
  connectRaw,
  openRaw,
  publishPacket,
} from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'

type Owner = Parameters<typeof startTestServer>[0]

const server = await startTestServer(t, { openTopics: 't/#' })
let names = 0

interface Testament {
  readonly witness: RawClient
  readonly topic: string
  readonly id: string
  readonly testator: RawClient
}

type Fields = Partial<IConnectPacket>

/** A client with a will, and one that hears it. */
async function testament(t: Owner, will: object = {}, fields: Fields = {}): Promise<Testament> {
  const id = `d${++names}`
  const topic = `t/will/${id}`
  const witness = await connectRaw(t, server, { user: 'bob', id: `w${names}` }, { clean: true })
  witness.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 2 }] })
  await witness.wait('suback')
  const testator = await connectRaw(
    t,
    server,
    { user: 'alice', id },
    {
      clean: true,
      will: { topic, payload: Buffer.from('gone'), qos: 1, retain: false, ...will },
      ...fields,
    },
  )
  return { witness, topic, id, testator }
}

/** Ways for a connection to end without DISCONNECT. */
const ends: Record<string, (t: Owner, it: Testament) => Promise<void> | void> = {
  'the network is lost': (_t, { testator }) => void testator.stream.destroy(),
  'the client closes without DISCONNECT': (_t, { testator }) => void testator.stream.end(),
  'a packet breaks the protocol': (_t, { testator }) => testator.send(bytesOf(0xf0)),
  'a bad publish follows a good one': (_t, { testator, topic }) =>
    testator.send(publishPacket(`${topic}/x`, 'x', 1), publishPacket('t/+', 'x', 2)),
  'a DISCONNECT is malformed': (_t, { testator }) => testator.send(bytesOf(0xe1)),
  'another connection takes its place': async (t, { id }) => {
    await connectRaw(t, server, { user: 'alice', id }, { clean: true })
  },
  'another connection with a will takes its place': async (t, { id, topic }) => {
    const will = { topic, payload: Buffer.from('second'), qos: 1 as const, retain: false }
    await connectRaw(t, server, { user: 'alice', id }, { clean: false, will })
  },
}

for (const [what, end] of Object.entries(ends)) {
  t.test(`the will is published when ${what} [MQTT-3.1.2-8]`, async (t) => {
    const it = await testament(t)
    await end(t, it)
    const [message] = await it.witness.wait('publish')
    t.match(message, { topic: it.topic, payload: Buffer.from('gone'), qos: 1, retain: false })
    it.witness.send({ cmd: 'pingreq' })
    await it.witness.wait('pingresp')
    t.equal(it.witness.of('publish').length, 1, 'once')
  })
}

t.test('the will is published when the keep-alive is over [MQTT-3.1.2-24]', async (t) => {
  const { witness } = await testament(t, {}, { keepalive: 1 })
  t.match(await witness.wait('publish'), [{ payload: Buffer.from('gone') }])
})

t.test('the will is published when the token expires', async (t) => {
  await server.addUser('alice')
  const { json } = await server.request('POST', '/v1/admin/tokens', {
    token: 'administration-token-for-tests-only',
    body: { user: 'alice', ttlSeconds: 2 },
  })
  const { token } = json as { token: string }
  const { witness } = await testament(t, {}, { password: Buffer.from(token) })
  t.match(await witness.wait('publish'), [{ payload: Buffer.from('gone') }])
})

t.test('the will is not published after DISCONNECT [MQTT-3.1.2-10, 3.14.4-3]', async (t) => {
  const { witness, topic, testator } = await testament(t)
  testator.send(publishPacket(topic, 'last words', 3), { cmd: 'disconnect' })
  await testator.closed()
  const [message] = await witness.wait('publish')
  t.equal(message?.payload.toString(), 'last words', 'what came before it is published')
  const other = await connectRaw(t, server, { user: 'bob', id: 'end' }, { clean: true })
  other.send(publishPacket(topic, 'end', 4))
  await other.wait('puback')
  const payloads = (await witness.wait('publish', 2)).map(({ payload }) => payload.toString())
  t.same(payloads, ['last words', 'end'])
})

t.test('a will of a connection that was refused is never published', async (t) => {
  const { witness, topic, testator } = await testament(t)
  const will = { topic, payload: Buffer.from('refused'), qos: 0 as const, retain: false }
  const packet = await connectPacket(server, { user: 'alice', id: 'bad' }, { will })
  const refused = await openRaw(t, server)
  refused.send({ ...packet, password: Buffer.from('no token') })
  await refused.closed()
  testator.stream.destroy()
  t.same(
    (await witness.wait('publish')).map(({ payload }) => payload.toString()),
    ['gone'],
  )
})

for (const qos of [0, 1, 2] as const) {
  t.test(`a will has its own QoS ${qos} [MQTT-3.1.2-14], and may be empty`, async (t) => {
    const { witness, testator } = await testament(t, { qos, payload: Buffer.alloc(0) })
    testator.stream.destroy()
    t.match(await witness.wait('publish'), [{ qos, payload: Buffer.alloc(0) }])
  })
}

t.test('a retained will is kept [MQTT-3.1.2-17], another is not [MQTT-3.1.2-16]', async (t) => {
  for (const retain of [true, false]) {
    const { witness, topic, testator } = await testament(t, { retain })
    testator.stream.destroy()
    t.match(await witness.wait('publish'), [{ retain: false }])
    const later = await connectRaw(t, server, { user: 'bob', id: 'later' }, { clean: true })
    const subscriptions = [topic, 't/will/end'].map((name) => ({ topic: name, qos: 1 as const }))
    later.send({ cmd: 'subscribe', messageId: 1, subscriptions })
    await later.wait('suback')
    later.send(publishPacket('t/will/end', 'end', 1))
    await later.wait('publish', retain ? 2 : 1)
    const payloads = later.of('publish').map(({ payload, retain }) => `${payload} ${retain}`)
    t.same(payloads.sort(), retain ? ['end false', 'gone true'] : ['end false'])
  }
})

t.test('a durable device leaves a will each time it connects with one', async (t) => {
  const { witness, topic, id, testator } = await testament(t, {}, { clean: false })
  testator.stream.destroy()
  await witness.wait('publish')
  const second = await connectRaw(t, server, { user: 'alice', id }, { clean: false })
  second.stream.destroy()
  const will = { topic, payload: Buffer.from('third'), qos: 1 as const, retain: false }
  const third = await connectRaw(t, server, { user: 'alice', id }, { clean: false, will })
  third.stream.destroy()
  const payloads = (await witness.wait('publish', 2)).map(({ payload }) => payload.toString())
  t.same(payloads, ['gone', 'third'])
})

t.test('a will waits for who is away', async (t) => {
  const { witness, topic, testator } = await testament(t)
  const away = { user: 'bob', id: 'away' }
  const before = await connectRaw(t, server, away)
  before.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] })
  await before.wait('suback')
  before.send({ cmd: 'disconnect' })
  await before.closed()
  testator.stream.destroy()
  await witness.wait('publish')
  const after = await connectRaw(t, server, away)
  t.match(await after.wait('publish'), [{ topic, payload: Buffer.from('gone') }])
})
