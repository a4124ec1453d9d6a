// Readers that stop: they cost a bounded amount of memory, hold nobody up, and get what they missed
// once they read again.

import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { connectRaw, publishPacket, subscribePacket } from '../support/raw-client.ts'
import type { TestServer } from '../support/server.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { bufferBytes, buffersAreBounded } from './buffers.ts'
import { makeBystanders } from './bystanders.ts'

type Owner = Parameters<typeof connectRaw>[0]

function texts(client: RawClient): string[] {
  return client.of('publish').map(({ payload }) => JSON.parse(payload.toString()).text)
}

/** Publishes messages of 60 KB to `topic` and waits for the acknowledgements of all. So large,
 * because the system itself keeps up to 40 MB for a socket that is not read. */
async function flood(client: RawClient, topic: string, count: number): Promise<string[]> {
  const filler = 'x'.repeat(60_000)
  const before = client.of('puback').length
  const sent: string[] = []
  for (let i = 1; i <= count; i++) {
    const text = `${before + i} ${filler}`
    sent.push(text)
    if (!client.stream.write(Buffer.alloc(0))) {
      await until('there is room', () => !client.stream.writableNeedDrain)
    }
    client.send(publishPacket(topic, text, i))
  }
  await client.wait('puback', before + count)
  return sent
}

/** A device of `sloth`, subscribed and paused. */
async function connectSloth(
  t: Owner,
  server: TestServer,
  { webSocket = false, qos = 1 as 0 | 1, topic = 'g/team/msg' } = {},
): Promise<RawClient> {
  const device = { user: 'sloth', id: `${webSocket}${qos}`, webSocket }
  const sloth = await connectRaw(t, server, device)
  sloth.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos }] })
  await sloth.wait('suback')
  sloth.pause()
  return sloth
}

for (const webSocket of [false, true]) {
  t.test(
    `who stops reading over ${webSocket ? 'WebSocket' : 'TCP'} gets all later, once, in order`,
    async (t) => {
      const server = await startTestServer(t, { windowEntriesMax: '16384' })
      await server.addGroup('team', ['alice', 'sloth', 'bob'])
      const bystanders = await makeBystanders(t, server)
      const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' })
      const bob = await connectRaw(t, server, { user: 'bob', id: 'phone' })
      bob.send(subscribePacket('g/team/msg', 1))
      await bob.wait('suback')
      const sloth = await connectSloth(t, server, { webSocket })
      const sent = await flood(alice, 'g/team/msg', 500)
      await until('bob has all', () => bob.of('publish').length >= sent.length)
      t.same(texts(bob), sent, 'a member who reads is not held up')
      await bystanders.areUnharmed(t)
      sloth.resume()
      await until('the sloth has all', () => sloth.of('publish').length >= sent.length)
      t.same(texts(sloth), sent)
      t.notOk(sloth.of('publish').some(({ dup }) => dup))
    },
  )
}

t.test('what a stopped reader has not read is not kept in memory', async (t) => {
  const server = await startTestServer(t)
  await server.addGroup('team', ['alice', 'sloth'])
  const bystanders = await makeBystanders(t, server)
  const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' })
  await flood(alice, 'g/team/msg', 20)
  for (const qos of [0, 1] as const) {
    for (const webSocket of [false, true]) await connectSloth(t, server, { webSocket, qos })
  }
  const before = bufferBytes()
  await flood(alice, 'g/team/msg', 600)
  await bystanders.areUnharmed(t)
  await buffersAreBounded(t, before, '36 MB for each of four readers')
})

t.test('a burst that fills the window of a reader at QoS 0 comes whole', async (t) => {
  const server = await startTestServer(t)
  await server.addGroup('team', ['alice', 'bob'])
  const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' })
  const bob = await connectRaw(t, server, { user: 'bob', id: 'phone' })
  bob.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'g/team/msg', qos: 0 }] })
  await bob.wait('suback')
  const sent = await flood(alice, 'g/team/msg', 100)
  await until('bob has all', () => bob.of('publish').length >= sent.length, 5000)
  t.same(texts(bob), sent)
})

t.test('who reads but does not acknowledge gets one window, and the rest after that', async (t) => {
  const server = await startTestServer(t, { windowEntriesMax: '16', windowBytesMax: '4000000' })
  await server.addGroup('team', ['alice', 'sloth'])
  const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' })
  const device = { user: 'sloth', id: 'phone', acknowledge: false }
  const sloth = await connectRaw(t, server, device)
  sloth.send(subscribePacket('g/team/msg', 1))
  await sloth.wait('suback')
  const sent = await flood(alice, 'g/team/msg', 50)
  await sloth.wait('publish', 16)
  sloth.send({ cmd: 'pingreq' })
  await sloth.wait('pingresp')
  t.same(texts(sloth), sent.slice(0, 16))
  for (let next = 0; next < sent.length; next++) {
    const packet = (await sloth.wait('publish', next + 1))[next]
    sloth.send({ cmd: 'puback', messageId: packet?.messageId ?? 0 })
  }
  t.same(texts(sloth), sent)
})

for (const webSocket of [false, true]) {
  for (const topic of ['g/team/msg', 't/news']) {
    const way = webSocket ? 'WebSocket' : 'TCP'
    t.test(`who takes no bytes of ${topic} over ${way} for too long is cut`, async (t) => {
      const server = await startTestServer(t, { stalledTimeoutMs: '1000', openTopics: 't/#' })
      await server.addGroup('team', ['alice', 'sloth'])
      const bystanders = await makeBystanders(t, server)
      const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' })
      const stopped = await connectSloth(t, server, { qos: 0, webSocket, topic })
      let isCut = false
      for (const event of ['error', 'close']) {
        stopped.network.on(event, () => {
          isCut = true
        })
      }
      await until('it is cut', async () => {
        await flood(alice, topic, 50)
        await bystanders.areUnharmed(t)
        // Only a write shows a reset to who does not read.
        stopped.send({ cmd: 'pingreq' })
        return isCut
      })
    })
  }
}
