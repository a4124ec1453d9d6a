// The trusted mode: a bare broker behind the framing and the strictness of the edge.

import type { IConnectPacket } from 'mqtt-packet'
import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { bytesOf, field, openRaw, publishPacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

type Owner = Parameters<typeof startTestServer>[0]

const server = await startTestServer(t, { openTopics: '#', anonymous: 'true' })

async function join(
  t: Owner,
  clientId: string,
  fields: Partial<IConnectPacket> = {},
): Promise<RawClient> {
  const client = await openRaw(t, server, { acknowledge: false })
  client.send({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId,
    clean: true,
    keepalive: 0,
    ...fields,
  })
  await client.wait('connack')
  return client
}

async function subscribe(client: RawClient, ...filters: string[]): Promise<unknown> {
  const subscriptions = filters.map((topic) => ({ topic, qos: 2 as const }))
  client.send({ cmd: 'subscribe', messageId: 77, subscriptions })
  return (await client.wait('suback')).at(-1)?.granted
}

t.test('any client id connects without a token, and chooses any topic', async (t) => {
  const ids = ['a/b', '#', 'with spaces', 'x'.repeat(300), 'ä+$', '.']
  for (const id of ids) {
    const client = await join(t, id)
    t.match(client.of('connack'), [{ returnCode: 0 }], id)
    t.same(await subscribe(client, 'u/bob/#', 'g/+/msg', 'any', '+/+', '#'), [2, 2, 2, 2, 2])
  }
  const topics = ['u/bob/msg', 'g/x/msg', 'any', '/', 'p/x', '$own/x', 'T E S T']
  const bob = await join(t, 'bob')
  await subscribe(bob, '#', '$own/#')
  const alice = await join(t, 'alice')
  alice.send(...topics.map((topic, i) => publishPacket(topic, Buffer.of(0, 255, i), i + 1)))
  t.same(
    (await alice.wait('puback', 7)).map(({ messageId }) => messageId),
    [1, 2, 3, 4, 5, 6, 7],
  )
  const received = await bob.wait('publish', 7)
  t.same(
    received.map(({ topic }) => topic),
    topics,
  )
  t.same(received[3]?.payload, Buffer.of(0, 255, 3), 'payloads are as they were')
})

t.test('a # does not hear of topics that begin with $ [MQTT-4.7.2-1]', async (t) => {
  const client = await join(t, 'dollar')
  await subscribe(client, '#', '+/x')
  client.send(publishPacket('$own/x', 'x', 1), publishPacket('end', 'x', 2))
  t.match(await client.wait('publish'), [{ topic: 'end' }])
})

t.test('sessions, wills and takeovers are those of aedes', async (t) => {
  const will = { topic: 'gone', payload: Buffer.from('x'), qos: 1 as const, retain: false }
  const witness = await join(t, 'witness')
  await subscribe(witness, 'gone')
  const first = await join(t, 'durable', { clean: false, will })
  t.match(first.of('connack'), [{ sessionPresent: false }])
  await subscribe(first, 'news')
  const second = await join(t, 'durable', { clean: false })
  await first.closed()
  t.match(second.of('connack'), [{ sessionPresent: true }])
  await witness.wait('publish')
  second.send({ cmd: 'disconnect' })
  await second.closed()
  witness.send(publishPacket('news', 'while away', 1))
  await witness.wait('puback')
  const third = await join(t, 'durable', { clean: false })
  t.match(await third.wait('publish'), [{ topic: 'news' }])
  const clean = await join(t, 'durable', { clean: true })
  t.match(clean.of('connack'), [{ sessionPresent: false }])
  t.equal(witness.of('publish').length, 1)
})

t.test('packet ids are from the whole range', async (t) => {
  const publisher = await join(t, 'ids')
  const clients: RawClient[] = []
  for (let i = 0; i < 40; i++) clients.push(await join(t, `ids-${i}`))
  for (const client of clients) await subscribe(client, 'ids')
  publisher.send(publishPacket('ids', 'x', 1))
  const ids: number[] = []
  for (const client of clients) ids.push((await client.wait('publish'))[0]?.messageId ?? 0)
  t.ok(ids.some((id) => id > 0 && id <= 32_768))
})

t.test('a client without an id gets one, unless it wants to come back', async (t) => {
  t.match((await join(t, '')).of('connack'), [{ returnCode: 0 }])
  const client = await openRaw(t, server)
  client.send(bytesOf(0x10, field('MQTT'), Buffer.of(4, 0, 0, 0), field('')))
  t.match(await client.wait('connack'), [{ returnCode: 2 }], '[MQTT-3.1.3-8]')
  await client.closed()
})

t.test('PINGREQ and keep-alive work as ever', async (t) => {
  const client = await join(t, 'silent', { keepalive: 1 })
  client.send({ cmd: 'pingreq' })
  await client.wait('pingresp')
  await client.closed()
})

t.test('what breaks the protocol ends the connection', async (t) => {
  const id = Buffer.of(0, 7)
  const broken: Record<string, Buffer> = {
    'a wildcard in a topic': bytesOf(0x30, field('a/+')),
    'an empty topic': bytesOf(0x30, field('')),
    'QoS 3': bytesOf(0x36, field('a'), id),
    'packet id 0': bytesOf(0x32, field('a'), 0, 0),
    'a bad filter': bytesOf(0x82, id, field('a#'), 0),
    'a bad filter to unsubscribe': bytesOf(0xa2, id, field('#/a')),
    'no filter': bytesOf(0x82, id),
    'a PUBACK of one byte': bytesOf(0x40, 1),
    'a PUBREL with wrong flags': bytesOf(0x60, id),
    'a second CONNECT': bytesOf(0x10, field('MQTT'), Buffer.of(4, 2, 0, 0), field('x')),
    'a packet of a server': bytesOf(0xd0),
    'an MQTT type that does not exist': bytesOf(0xf0),
  }
  for (const [what, bytes] of Object.entries(broken)) {
    const client = await join(t, 'broken')
    client.send(bytes, publishPacket('after', 'x', 1))
    await client.closed()
    t.same(client.packets.length, 1, what)
  }
})

t.test(
  'topics and wills of more levels than can be matched are refused, and harm nobody',
  async (t) => {
    const witness = await join(t, 'levels-witness')
    const most = `${'/'.repeat(98)}levels`
    await subscribe(witness, most)
    const publisher = await join(t, 'levels')
    publisher.send(publishPacket(most, 'most', 1))
    t.match(await witness.wait('publish'), [{ topic: most }])
    publisher.send({ ...publishPacket(`/${most}/`, 'too many', 2), retain: true })
    await publisher.closed()
    const will = { topic: `/${most}/`, payload: Buffer.from('x'), qos: 1 as const, retain: true }
    const mourner = await openRaw(t, server, {})
    const connect = { cmd: 'connect', clientId: 'levels-will', will } as const
    mourner.send({ ...connect, protocolId: 'MQTT', protocolVersion: 4, clean: true })
    await mourner.closed()
    t.same(await subscribe(witness, '/#'), [2], 'what is retained is still looked through')
  },
)

t.test('a retained message and what follows in its segment both come, once', async (t) => {
  const [alice, bob] = [await join(t, 'keeper'), await join(t, 'hearer')]
  await subscribe(bob, 'seg/#', 'seg/+')
  const numbers = Array.from({ length: 50 }, (_, i) => i)
  const sent = numbers.flatMap((n) => [`kept ${n}`, `next ${n}`])
  alice.send(
    ...sent.map((text, i) => ({
      ...publishPacket('seg/a', text, 0),
      qos: 0 as const,
      retain: i % 2 === 0,
    })),
  )
  alice.send(publishPacket('seg/end', 'end', 1))
  const received = await bob.wait('publish', 101)
  t.same(
    received.map(({ payload }) => payload.toString()),
    [...sent, 'end'],
  )
})

t.test('who was never accepted leaves no will [MQTT-3.1.2-8]', async (t) => {
  const watch = await join(t, 'watch')
  await subscribe(watch, 'will/#')
  const will = { topic: 'will/storm', payload: Buffer.from(''), qos: 1, retain: false } as const
  const crowd = await Promise.all(
    Array.from({ length: 20 }, () => openRaw(t, server, { acknowledge: false })),
  )
  for (const client of crowd) {
    client.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clientId: 'storm',
      clean: false,
      keepalive: 0,
      will,
    })
  }
  await until('one is left', () => crowd.filter((client) => !client.isClosed()).length === 1)
  const [last] = crowd.filter((client) => !client.isClosed())
  await last?.wait('connack')
  const accepted = crowd.filter((client) => client.of('connack').length > 0).length
  last?.send(publishPacket('will/end', '', 1))
  await until('the end', () => watch.of('publish').some(({ topic }) => topic === 'will/end'))
  t.equal(watch.of('publish').length - 1, accepted - 1, 'one for each that was taken over')
})
