// What clients of level 5 take at a time: Receive Maximum, Maximum Packet Size, topic aliases.

import type { IPublishPacket } from 'mqtt-packet'
import t, { type Test } from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import {
  connectPacket,
  connectRaw,
  openRaw,
  publishPacket,
  subscribePacket,
} from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'

const server = await startTestServer(t, { topicAliasMax: '2', openTopics: 't/#' })
await server.addGroup('team', ['alice', 'bob'])
await server.addGroup('crew', ['alice', 'bob'])
await server.addGroup('club', ['alice', 'bob'])

let devices = 0

type Fields = NonNullable<Parameters<typeof connectRaw>[3]>
type Demands = NonNullable<Fields['properties']>

async function connect(t: Test, user: string, properties: Demands = {}): Promise<RawClient> {
  const device = { user, id: `device-${++devices}`, level: 5, acknowledge: false } as const
  return connectRaw(t, server, device, { clean: true, properties })
}

async function listen(t: Test, user: string, filter: string, properties: Demands = {}) {
  const client = await connect(t, user, properties)
  client.send(subscribePacket(filter, 1))
  await client.wait('suback')
  return client
}

/** Says texts to a topic, and waits until they are stored. */
async function say(client: RawClient, topic: string, texts: readonly string[]) {
  const before = client.of('puback').length
  client.send(...texts.map((text, index) => publishPacket(topic, text, index + 1)))
  await client.wait('puback', before + texts.length)
}

/** Proves that nothing more is on its way. */
async function settle(client: RawClient): Promise<void> {
  const before = client.of('pingresp').length
  client.send({ cmd: 'pingreq' })
  await client.wait('pingresp', before + 1)
}

const textOf = ({ payload }: IPublishPacket) => JSON.parse(payload.toString()).text
const numbers = Array.from({ length: 30 }, (_, index) => `m${index}`)

function acknowledge(client: RawClient, ...messages: readonly IPublishPacket[]): void {
  for (const { messageId = 0 } of messages) client.send({ cmd: 'puback', messageId })
}

for (const receiveMaximum of [1, 3]) {
  t.test(`no more than ${receiveMaximum} messages are unanswered [MQTT5-3.3.4-9]`, async (t) => {
    const alice = await connect(t, 'alice')
    const bob = await listen(t, 'bob', 'g/team/msg', { receiveMaximum })
    await say(alice, 'g/team/msg', numbers)
    for (let count = 0; count < numbers.length; count++) {
      const wanted = Math.min(count + 1, numbers.length)
      await bob.wait('publish', wanted)
      await settle(bob)
      const unanswered = bob.of('publish').length - count
      if (unanswered > receiveMaximum) t.fail(`${unanswered} after ${count}`)
      acknowledge(bob, bob.of('publish')[count] as IPublishPacket)
    }
    t.same(bob.of('publish').map(textOf), numbers, 'all of them come, in order')
  })
}

for (const receiveMaximum of [1, 3]) {
  const title = `chat and plain topics share ${receiveMaximum}, and none of them starves`
  t.test(`${title} [MQTT5-3.3.4-9]`, async (t) => {
    const alice = await connect(t, 'alice')
    const bob = await listen(t, 'bob', 'g/team/msg', { receiveMaximum })
    bob.send(subscribePacket('t/#', 2))
    await bob.wait('suback', 2)
    for (let index = 0; index < 10; index++) {
      alice.send(publishPacket('g/team/msg', `m${index}`, 1), publishPacket('t/x', `${index}`, 2))
      await alice.wait('puback', (index + 1) * 2)
    }
    for (let count = 0; count < 20; count++) {
      await bob.wait('publish', count + 1)
      await settle(bob)
      const unanswered = bob.of('publish').length - count
      if (unanswered > receiveMaximum) t.fail(`${unanswered} after ${count}`)
      acknowledge(bob, bob.of('publish')[count] as IPublishPacket)
    }
    const topics = bob.of('publish').map(({ topic }) => topic)
    t.equal(topics.filter((topic) => topic === 't/x').length, 10)
    const half = new Set(topics.slice(0, 10))
    t.same([...half].sort(), ['g/team/msg', 't/x'], 'both come from the start')
  })
}

t.test('a PUBACK counts whatever it says, and whatever its turn', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await listen(t, 'bob', 'g/team/msg', { receiveMaximum: 2 })
  await say(alice, 'g/team/msg', ['a', 'b', 'c', 'd'])
  const [, second] = (await bob.wait('publish', 2)) as IPublishPacket[]
  bob.send({ cmd: 'puback', messageId: second?.messageId ?? 0, reasonCode: 0x80 })
  await settle(bob)
  const [first] = bob.of('publish')
  acknowledge(bob, first as IPublishPacket)
  const messages = await bob.wait('publish', 4)
  t.same(messages.map(textOf), ['a', 'b', 'c', 'd'])
})

t.test('QoS 0 is not counted', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await connect(t, 'bob', { receiveMaximum: 1 })
  const subscriptions = [{ topic: 'g/team/msg', qos: 0 as const }]
  bob.send({ cmd: 'subscribe', messageId: 1, subscriptions })
  await bob.wait('suback')
  await say(alice, 'g/team/msg', numbers)
  t.same((await bob.wait('publish', numbers.length)).map(textOf), numbers)
})

t.test('a message that is too large for a device is passed over, and told of', async (t) => {
  const device = { user: 'bob', id: 'phone', level: 5 } as const
  const lasting = { clean: false, properties: { sessionExpiryInterval: 1000 } }
  const small = { ...lasting, properties: { ...lasting.properties, maximumPacketSize: 500 } }
  const alice = await connect(t, 'alice')
  const bob = await connectRaw(t, server, device, small)
  bob.send(subscribePacket('u/bob/#', 1))
  await bob.wait('suback')
  const large = 'x'.repeat(400)
  await say(alice, 'u/bob/msg', ['before', large, 'after'])
  await bob.wait('publish', 4)
  const heard = bob.of('publish').map(({ payload }) => JSON.parse(payload.toString()))
  t.same(
    heard.map(({ type, text }) => type ?? text),
    ['caughtUp', 'before', 'tooLarge', 'after'],
  )
  const { conversation, seq } = heard[2]
  t.same([conversation, seq], [heard[1].conversation, heard[1].seq + 1])
  await settle(bob)
  bob.send({ cmd: 'disconnect' })
  await bob.closed()
  const again = await connectRaw(t, server, device, lasting)
  await settle(again)
  t.same(again.of('publish').map(textOf), [undefined], 'it is not sent later: caughtUp alone')
  const request = `/v1/conversations/${conversation}/messages`
  const { json } = await server.request('GET', request, { token: await server.token('bob') })
  const stored = (json as { messages: { text: string }[] }).messages.map(({ text }) => text)
  t.same(stored.sort(), ['before', large, 'after'].sort(), 'the history has it')
})

t.test('no packet is larger than the client takes, catching up too [MQTT5-3.1.2-24]', async (t) => {
  const device = { user: 'bob', id: 'tablet', level: 5 } as const
  const properties = { sessionExpiryInterval: 1000, maximumPacketSize: 400 }
  const fields = { clean: false, properties }
  const away = await connectRaw(t, server, device, fields)
  away.send(subscribePacket('g/+/#', 1))
  await away.wait('suback')
  away.send({ cmd: 'disconnect' })
  await away.closed()
  const alice = await connect(t, 'alice')
  const texts = [...numbers.keys()].map((index) => `${index} ${'x'.repeat(index * 15)}`)
  await say(alice, 'g/team/msg', texts)
  const bob = await connectRaw(t, server, device, fields)
  bob.stream.on('data', () => {})
  await say(alice, 'g/team/msg', ['end'])
  const ends = () => bob.of('publish').some((it) => textOf(it) === 'end')
  while (!ends()) await bob.wait('publish', bob.of('publish').length + 1)
  const sizes = bob.of('publish').map(({ length = 0 }) => length + 3)
  t.ok(Math.max(...sizes) <= 400, `${Math.max(...sizes)}`)
  t.ok(Math.max(...sizes) > 350 && bob.of('publish').length < texts.length)
})

t.test('nor is a DISCONNECT: it says less [MQTT5-3.14.2-3]', async (t) => {
  const alice = await connect(t, 'alice', { maximumPacketSize: 24 })
  alice.send(Buffer.from([0x30, 3, 0, 0, 0]))
  const [disconnect] = await alice.wait('disconnect')
  t.match(disconnect, { reasonCode: 0x82, length: 2 })
  t.notOk(disconnect?.properties?.reasonString)
})

t.test('topic aliases of the client stand for topics of chat', async (t) => {
  const alice = await connect(t, 'alice')
  const [connack] = alice.of('connack')
  t.equal(connack?.properties?.topicAliasMaximum, 2)
  const bob = await listen(t, 'bob', 'g/team/msg')
  const first = publishPacket('g/team/msg', 'one', 1)
  const other = publishPacket('g/crew/msg', 'elsewhere', 2)
  const next = publishPacket('', 'two', 3)
  alice.send({ ...first, properties: { topicAlias: 1 } })
  alice.send({ ...other, properties: { topicAlias: 2 } })
  alice.send({ ...next, properties: { topicAlias: 1 } })
  const messages = await bob.wait('publish', 2)
  t.same(messages.map(textOf), ['one', 'two'])
  t.same(
    alice.of('puback').map(({ reasonCode }) => reasonCode ?? 0),
    [0, 0, 0],
  )
})

for (const [what, topic, topicAlias] of [
  ['that stands for nothing', '', 1],
  ['above the maximum', 'g/team/msg', 3],
  ['0', 'g/team/msg', 0],
] as const) {
  t.test(`a topic alias ${what} ends the connection with 0x94`, async (t) => {
    const alice = await connect(t, 'alice')
    const body = Buffer.from([0, topic.length, ...Buffer.from(topic), 3, 0x23, 0, topicAlias])
    alice.send(Buffer.from([0x30, body.length, ...body]))
    const [disconnect] = await alice.wait('disconnect')
    t.equal(disconnect?.reasonCode, 0x94)
    await alice.closed()
  })
}

t.test('aliases end with their connection [MQTT5-3.3.2-7]', async (t) => {
  const device = { user: 'alice', id: 'roaming', level: 5 } as const
  const before = await connectRaw(t, server, device)
  before.send({ ...publishPacket('g/team/msg', 'one', 1), properties: { topicAlias: 1 } })
  await before.wait('puback')
  before.stream.destroy()
  const after = await connectRaw(t, server, device)
  after.send({ ...publishPacket('', 'two', 1), properties: { topicAlias: 1 } })
  const [disconnect] = await after.wait('disconnect')
  t.equal(disconnect?.reasonCode, 0x94)
})

t.test('a client that takes aliases gets them, as many as it takes [MQTT5-3.1.2-26]', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await listen(t, 'bob', 'g/+/msg', { topicAliasMaximum: 1 })
  for (const group of ['team', 'crew', 'team', 'crew']) {
    await say(alice, `g/${group}/msg`, [group])
  }
  const messages = await bob.wait('publish', 4)
  t.same(
    messages.map((it) => [it.topic, it.properties?.topicAlias, textOf(it)]),
    [
      ['g/team/msg', 1, 'team'],
      ['g/crew/msg', undefined, 'crew'],
      ['', 1, 'team'],
      ['g/crew/msg', undefined, 'crew'],
    ],
  )
})

t.test('and no more than the server is ready to remember; the ids are its own', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await listen(t, 'bob', 'g/+/msg', { topicAliasMaximum: 100 })
  for (const group of ['team', 'crew', 'club', 'club', 'crew']) {
    await say(alice, `g/${group}/msg`, [group])
  }
  const messages = await bob.wait('publish', 5)
  t.same(
    messages.map((it) => it.properties?.topicAlias),
    [1, 2, undefined, undefined, 2],
  )
  t.same(
    messages.map(({ messageId }) => messageId),
    [1, 2, 3, 4, 5],
  )
})

t.test('a client that takes none gets none [MQTT5-3.1.2-27]', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await listen(t, 'bob', 'g/+/msg')
  await say(alice, 'g/team/msg', ['a', 'b'])
  const messages = await bob.wait('publish', 2)
  t.same(
    messages.map((it) => [it.topic, it.properties?.topicAlias]),
    [
      ['g/team/msg', undefined],
      ['g/team/msg', undefined],
    ],
  )
})

t.test('who takes less than a CONNACK cannot connect [MQTT5-3.1.2-24]', async (t) => {
  const device = { user: 'alice', id: 'tiny', level: 5 } as const
  const client = await openRaw(t, server, device)
  client.send(await connectPacket(server, device, { properties: { maximumPacketSize: 10 } }))
  await client.closed()
  t.same(client.packets, [])
})

t.test('an answer that is too large for the client is not sent [MQTT5-3.1.2-24]', async (t) => {
  const alice = await connect(t, 'alice', { maximumPacketSize: 40 })
  const subscriptions = Array.from({ length: 50 }, (_, i) => ({ topic: `x/${i}`, qos: 0 as const }))
  alice.send({ cmd: 'subscribe', messageId: 1, subscriptions })
  t.match(await alice.wait('disconnect'), [{ reasonCode: 0x95 }])
  t.same(alice.of('suback'), [])
})

t.test('aliases cannot be used to store topics here', async (t) => {
  const alice = await connect(t, 'alice')
  for (const topicAlias of [1, 2]) {
    const topic = `x/${topicAlias}${'y'.repeat(60_000)}`
    alice.send({ ...publishPacket(topic, '', topicAlias), properties: { topicAlias } })
  }
  t.match(await alice.wait('disconnect'), [{ reasonCode: 0x97 }])
})
