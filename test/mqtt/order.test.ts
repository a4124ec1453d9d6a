// The order of answers and of messages, whatever way the bytes come: joined, split, or cut off.

import mqtt from 'mqtt-packet'
import t from 'tap'
import { protocol } from '../support/level.ts'
import type { RawClient, RawOptions } from '../support/raw-client.ts'
import {
  connectPacket,
  connectRaw,
  openRaw,
  publishPacket,
  subscribePacket,
} from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const server = await startTestServer(t)
await server.addGroup('team', ['alice', 'bob'])
const alice = { user: 'alice', id: 'phone' }

function texts(client: RawClient): unknown[] {
  return client.of('publish').map(({ payload }) => JSON.parse(payload.toString()).text)
}

function numbered(count: number, prefix = ''): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`)
}

/** A device of bob that hears everything in `team` and has heard nothing yet. */
async function listener(t: Parameters<typeof connectRaw>[0], id: string): Promise<RawClient> {
  const bob = await connectRaw(t, server, { user: 'bob', id }, { clean: true })
  bob.send(subscribePacket('g/team/msg', 1))
  await bob.wait('suback')
  return bob
}

const transports: Record<string, RawOptions> = { TCP: {}, WebSocket: { webSocket: true } }
for (const [name, options] of Object.entries(transports)) {
  t.test(`a whole conversation in one segment is answered in order over ${name}`, async (t) => {
    const client = await openRaw(t, server, options)
    const connect = await connectPacket(server, { user: 'alice', id: `one-${name}` })
    client.send(
      connect,
      subscribePacket('g/team/msg', 1),
      publishPacket('g/team/msg', 'echo', 2),
      { cmd: 'pingreq' },
      publishPacket('g/team/msg', 'echo again', 3),
    )
    await until('all answers', () => client.packets.length >= 7)
    const kinds = client.packets.map(({ cmd }) => cmd)
    t.same(kinds.slice(0, 2), ['connack', 'suback'])
    t.equal(kinds.filter((kind) => kind === 'pingresp').length, 1)
    t.same(
      client.of('puback').map(({ messageId }) => messageId),
      [2, 3],
    )
    t.same(texts(client), ['echo', 'echo again'], 'the own echo comes, after the SUBACK')
  })

  t.test(`packets split byte by byte over ${name} are whole again`, async (t) => {
    const bob = await listener(t, `bytes-${name}`)
    const client = await openRaw(t, server, options)
    const connect = await connectPacket(server, { user: 'alice', id: `bytes-${name}` })
    const packets = [
      connect,
      ...numbered(5).map((text, i) => publishPacket('g/team/msg', text, i + 1)),
    ]
    for (const byte of Buffer.concat(packets.map((it) => mqtt.generate(it, protocol)))) {
      client.send(Buffer.of(byte))
      // Each byte in a write of its own.
      await new Promise((resolve) => setImmediate(resolve))
    }
    await client.wait('puback', 5)
    await until('bob has all', () => texts(bob).length >= 5)
    t.same(texts(bob), numbered(5))
  })

  t.test(`a PUBLISH right before the end over ${name} is still stored`, async (t) => {
    const bob = await listener(t, `end-${name}`)
    const client = await openRaw(t, server, options)
    const connect = await connectPacket(server, { user: 'alice', id: `end-${name}` })
    client.send(connect, ...numbered(50).map((text, i) => publishPacket('g/team/msg', text, i + 1)))
    client.stream.end()
    await until('bob has all', () => texts(bob).length >= 50)
    t.same(texts(bob), numbered(50))
  })
}

t.test('a PUBLISH right before DISCONNECT is still stored', async (t) => {
  const bob = await listener(t, 'disconnect')
  const client = await openRaw(t, server)
  const publishes = numbered(50).map((text, i) => publishPacket('g/team/msg', text, i + 1))
  client.send(await connectPacket(server, alice), ...publishes, { cmd: 'disconnect' })
  await client.closed()
  await until('bob has all', () => texts(bob).length >= 50)
  t.same(texts(bob), numbered(50))
})

t.test('nothing is taken after DISCONNECT', async (t) => {
  const bob = await listener(t, 'after')
  const client = await connectRaw(t, server, alice)
  client.send({ cmd: 'disconnect' }, publishPacket('g/team/msg', 'too late', 1))
  await client.closed()
  const other = await connectRaw(t, server, alice)
  other.send(publishPacket('g/team/msg', 'in time', 1))
  await until('bob hears', () => texts(bob).length > 0)
  t.same(texts(bob), ['in time'])
})

t.test('PUBACKs come in the order of the publishes, refused ones among them', async (t) => {
  const bob = await listener(t, 'mixed')
  const client = await connectRaw(t, server, { ...alice, id: 'mixed' })
  client.send(subscribePacket('u/alice/error', 1))
  await client.wait('suback')
  const topics = ['g/team/msg', 'g/other/msg', 'g/team/msg', 'u/nobody/msg', 't/x']
  const publishes = numbered(500).map((text, index) =>
    publishPacket(topics[index % topics.length] as string, text, index + 1),
  )
  client.send(...publishes)
  const pubacks = await client.wait('puback', 500)
  t.same(
    pubacks.map(({ messageId }) => messageId),
    publishes.map(({ messageId }) => messageId),
  )
  await until('bob has his', () => texts(bob).length >= 200)
  t.same(
    texts(bob),
    numbered(500).filter((_, index) => topics[index % topics.length] === 'g/team/msg'),
  )
  t.equal(client.of('publish').length, 300, 'each refusal is explained')
})

t.test('the order of one publisher holds over conversations that are new', async (t) => {
  const users = numbered(10, 'new-')
  for (const user of users) await server.addUser(user)
  const laptop = await connectRaw(t, server, { ...alice, id: 'laptop' }, { clean: true })
  laptop.send(subscribePacket('u/alice/msg', 1))
  await laptop.wait('suback')
  const client = await connectRaw(t, server, alice)
  const all = numbered(100)
  client.send(
    ...all.map((text, i) => publishPacket(`u/${users[i % users.length]}/msg`, text, i + 1)),
  )
  const pubacks = await client.wait('puback', 100)
  t.same(
    pubacks.map(({ messageId }) => messageId),
    all.map(Number),
  )
  await until('the other device has all', () => texts(laptop).length >= 100)
  for (const [index, user] of users.entries()) {
    const toUser = laptop.of('publish').filter(({ payload }) => {
      return JSON.parse(payload.toString()).to === user
    })
    t.same(
      toUser.map(({ payload }) => JSON.parse(payload.toString()).text),
      all.filter((_, i) => i % users.length === index),
      user,
    )
  }
})

t.test('QoS 0, 1 and 2 of one publisher keep their order', async (t) => {
  const bob = await listener(t, 'qos')
  const client = await connectRaw(t, server, { ...alice, id: 'qos' })
  const all = numbered(300)
  client.send(
    ...all.map((text, i) => {
      const packet = publishPacket('g/team/msg', text, i + 1)
      return { ...packet, qos: (i % 3) as 0 | 1 | 2 }
    }),
  )
  await client.wait('puback', 100)
  await client.wait('pubrec', 100)
  await until('bob has all', () => texts(bob).length >= 300)
  t.same(texts(bob), all)
})

t.test('a QoS 2 publish that is sent again before PUBREL is stored once', async (t) => {
  const bob = await listener(t, 'twice')
  const client = await connectRaw(t, server, { ...alice, id: 'twice' })
  const once = { ...publishPacket('g/team/msg', 'once', 8), qos: 2 as const }
  client.send(once, { ...once, dup: true })
  await client.wait('pubrec')
  client.send({ ...once, dup: true })
  await client.wait('pubrec', 2)
  client.send({ cmd: 'pubrel', messageId: 8 })
  await client.wait('pubcomp')
  client.send({ ...once, payload: 'another' })
  await until('bob has both', () => texts(bob).length >= 2)
  t.same(texts(bob), ['once', 'another'], 'after PUBREL the packet id is free')
})

t.test('a message id that is sent again makes no second entry', async (t) => {
  const bob = await listener(t, 'same')
  const client = await connectRaw(t, server, { ...alice, id: 'same' })
  for (let i = 1; i <= 3; i++) {
    client.send(publishPacket('g/team/msg', '{"id":"m1","text":"once"}', i))
  }
  client.send(publishPacket('g/team/msg', '{"id":"m2","text":"last"}', 4))
  const pubacks = await client.wait('puback', 4)
  t.same(
    pubacks.map(({ messageId }) => messageId),
    [1, 2, 3, 4],
  )
  await until('bob has the last', () => texts(bob).includes('last'))
  t.same(texts(bob), ['once', 'last'])
})
