// Plain topics: what a durable device finds when it comes back, and what ends with a clean one.

import type { IPublishPacket, QoS } from 'mqtt-packet'
import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { connectRaw, publishPacket } from '../support/raw-client.ts'
import type { TestServer } from '../support/server.ts'
import { startTestServer, temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'

type Owner = Parameters<typeof startTestServer>[0]

const flags = { openTopics: 't/#' }
const server = await startTestServer(t, flags)
let publishers = 0
/** Chat has the packet ids up to this. */
const chatIdMax = 32_768

interface Options {
  readonly clean?: boolean
  readonly acknowledge?: boolean
  readonly on?: TestServer
}

function join(t: Owner, id: string, { clean = false, on = server, ...raw }: Options = {}) {
  return connectRaw(t, on, { user: 'alice', id, ...raw }, { clean })
}

async function subscribe(client: RawClient, filter: string, qos: QoS = 1): Promise<void> {
  const before = client.of('suback').length
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: filter, qos }] })
  await client.wait('suback', before + 1)
}

async function leave(client: RawClient): Promise<void> {
  client.send({ cmd: 'disconnect' })
  await client.closed()
}

/** Publishes from a connection of its own, and waits for the answers. */
async function publish(t: Owner, topic: string, payloads: readonly string[], qos: QoS = 1) {
  const client = await join(t, `publisher-${++publishers}`, { clean: true })
  client.send(...payloads.map((payload, i) => ({ ...publishPacket(topic, payload, i + 1), qos })))
  if (qos === 1) await client.wait('puback', payloads.length)
  if (qos === 2) await client.wait('pubrec', payloads.length)
  await leave(client)
}

const texts = (packets: readonly IPublishPacket[]) => packets.map((it) => it.payload.toString())
const presence = (client: RawClient) => client.of('connack')[0]?.sessionPresent

t.test('a durable device gets what it missed, in order [MQTT-3.1.2-4, 3.1.2-5]', async (t) => {
  const before = await join(t, 'away')
  await subscribe(before, 't/away/+', 2)
  await leave(before)
  await publish(t, 't/away/a', ['1', '2', '3'])
  await publish(t, 't/away/a', ['4', '5'], 2)
  await publish(t, 't/away/a', ['at QoS 0'], 0)
  const after = await join(t, 'away')
  t.equal(presence(after), true, '[MQTT-3.2.2-2]')
  t.equal(after.packets[0]?.cmd, 'connack', '[MQTT-3.2.0-1]')
  const received = await after.wait('publish', 5)
  t.same(texts(received), ['1', '2', '3', '4', '5'])
  t.same(
    received.map(({ qos, dup }) => [qos, dup]),
    [1, 1, 1, 2, 2].map((qos) => [qos, false]),
  )
  await publish(t, 't/away/b', ['new'])
  t.same(texts(await after.wait('publish', 6)).at(-1), 'new')
})

t.test('what waits is sent at the granted QoS, once for all filters [MQTT-3.8.4-6]', async (t) => {
  const before = await join(t, 'overlap')
  await subscribe(before, 't/overlap/#', 0)
  await subscribe(before, 't/overlap/+', 1)
  await subscribe(before, 't/+/a', 1)
  await leave(before)
  await publish(t, 't/overlap/a', ['one'], 2)
  await publish(t, 't/overlap/a', ['end'], 1)
  const after = await join(t, 'overlap')
  const received = await after.wait('publish', 2)
  t.same(
    received.map(({ payload, qos }) => `${payload} ${qos}`),
    ['one 1', 'end 1'],
  )
})

t.test('what was not acknowledged comes again, with its id and DUP [MQTT-4.4.0-1]', async (t) => {
  const before = await join(t, 'again', { acknowledge: false })
  await subscribe(before, 't/again', 2)
  await publish(t, 't/again', ['1', '2', '3'])
  await publish(t, 't/again', ['4'], 2)
  const first = await before.wait('publish', 4)
  before.send({ cmd: 'puback', messageId: first[1]?.messageId ?? 0 })
  before.send({ cmd: 'pingreq' })
  await before.wait('pingresp')
  before.stream.destroy()
  await publish(t, 't/again', ['5'])
  const after = await join(t, 'again', { acknowledge: false })
  const again = await after.wait('publish', 4)
  t.same(
    again.map(({ payload, qos, dup }) => `${payload} ${qos} ${dup}`),
    ['1 1 true', '3 1 true', '4 2 true', '5 1 false'],
    '[MQTT-3.3.1-1, MQTT-4.6.0-1]',
  )
  const ids = again.map(({ messageId }) => messageId ?? 0)
  t.same(
    ids.slice(0, 3),
    [first[0], first[2], first[3]].map((it) => it?.messageId),
  )
  t.equal(new Set(ids).size, 4)
  t.ok(ids.every((id) => id > chatIdMax && id <= 65_535))
})

t.test('after PUBREC comes PUBREL, also after a lost connection [MQTT-4.3.3-1]', async (t) => {
  const before = await join(t, 'released')
  await subscribe(before, 't/released', 2)
  await publish(t, 't/released', ['x'], 2)
  const [message] = await before.wait('publish')
  const messageId = message?.messageId ?? 0
  before.send({ cmd: 'pubrec', messageId })
  t.match(await before.wait('pubrel'), [{ messageId }])
  before.stream.destroy()
  const after = await join(t, 'released')
  t.match(await after.wait('pubrel'), [{ messageId }])
  after.send({ cmd: 'pubcomp', messageId })
  after.send({ cmd: 'pingreq' })
  await after.wait('pingresp')
  await leave(after)
  const later = await join(t, 'released')
  await publish(t, 't/released', ['y'])
  t.same(texts(await later.wait('publish')), ['y'], 'the first is not sent again')
  t.same(later.of('pubrel'), [])
})

t.test("a publisher's QoS 2 state outlives its connection [MQTT-4.3.3-2]", async (t) => {
  const listener = await join(t, 'listener', { clean: true })
  await subscribe(listener, 't/exactly', 2)
  const before = await join(t, 'exact')
  const message = { ...publishPacket('t/exactly', 'once', 5), qos: 2 as const }
  before.send(message)
  await before.wait('pubrec')
  before.stream.destroy()
  const after = await join(t, 'exact')
  t.equal(presence(after), true)
  after.send({ ...message, dup: true })
  t.match(await after.wait('pubrec'), [{ messageId: 5 }])
  after.send({ cmd: 'pubrel', messageId: 5 })
  t.match(await after.wait('pubcomp'), [{ messageId: 5 }])
  await publish(t, 't/exactly', ['end'])
  t.same(texts(await listener.wait('publish', 2)), ['once', 'end'])
})

t.test('a clean session begins and ends without anything [MQTT-3.1.2-6]', async (t) => {
  const durable = await join(t, 'wiped')
  await subscribe(durable, 't/wiped', 1)
  durable.send({ ...publishPacket('t/other', 'half', 3), qos: 2 })
  await durable.wait('pubrec')
  await leave(durable)
  await publish(t, 't/wiped', ['queued'])
  const clean = await join(t, 'wiped', { clean: true })
  t.equal(presence(clean), false, '[MQTT-3.2.2-1]')
  await leave(clean)
  await publish(t, 't/wiped', ['unheard'])
  const again = await join(t, 'wiped')
  t.equal(presence(again), false, '[MQTT-3.2.2-3]')
  await subscribe(again, 't/wiped', 1)
  await publish(t, 't/wiped', ['heard'])
  t.same(texts(await again.wait('publish')), ['heard'])
})

t.test("a clean session's subscriptions end with it [MQTT-3.1.2-6]", async (t) => {
  const clean = await join(t, 'passing', { clean: true })
  await subscribe(clean, 't/passing', 1)
  await leave(clean)
  const again = await join(t, 'passing')
  t.equal(presence(again), false)
  await publish(t, 't/passing', ['unheard'])
  await subscribe(again, 't/passing/end')
  await publish(t, 't/passing/end', ['end'])
  t.same(texts(await again.wait('publish')), ['end'])
})

t.test('a second connection of a device takes its place [MQTT-3.1.4-2]', async (t) => {
  const first = await join(t, 'double', { acknowledge: false })
  await subscribe(first, 't/double', 1)
  await publish(t, 't/double', ['1'])
  await first.wait('publish')
  const second = await join(t, 'double')
  await first.closed()
  t.equal(presence(second), true)
  t.match(await second.wait('publish'), [{ payload: Buffer.from('1'), dup: true }])
  await publish(t, 't/double', ['2'])
  t.same(texts(await second.wait('publish', 2)), ['1', '2'])
  t.equal(first.of('publish').length, 1)
})

t.test('devices that come and go at once end with one that works', async (t) => {
  const storm = await Promise.allSettled(Array.from({ length: 12 }, () => join(t, 'storm')))
  const clients = storm.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []))
  await until('one is left', () => clients.filter((it) => !it.isClosed()).length === 1)
  const last = clients.find((client) => !client.isClosed()) as RawClient
  await subscribe(last, 't/storm', 1)
  await publish(t, 't/storm', ['calm'])
  t.same(texts(await last.wait('publish')), ['calm'])
})

t.test('what is new does not overtake what waits [MQTT-4.6.0-6]', async (t) => {
  const device = 'ordered'
  const first = await join(t, device)
  await subscribe(first, 't/ordered', 1)
  await leave(first)
  const publisher = await join(t, 'steady', { clean: true })
  let sent = 0
  const send = () => publisher.send(publishPacket('t/ordered', `${++sent}`, sent))
  const seen: number[] = []
  for (let round = 1; round <= 5; round++) {
    for (let i = 0; i < 30; i++) send()
    await publisher.wait('puback', sent)
    const timer = setInterval(send, 1)
    const client = await join(t, device)
    await client.wait('publish', 45)
    clearInterval(timer)
    await publisher.wait('puback', sent)
    await until('all have come', () => seen.length + client.of('publish').length >= sent)
    seen.push(...texts(client.of('publish')).map(Number))
    client.send({ cmd: 'pingreq' })
    await client.wait('pingresp')
    await leave(client)
  }
  t.same(
    seen,
    Array.from({ length: sent }, (_, i) => i + 1),
  )
})

t.test('what waits is not marked as retained [MQTT-3.3.1-9]', async (t) => {
  const before = await join(t, 'unmarked')
  await subscribe(before, 't/unmarked', 1)
  await leave(before)
  const publisher = await join(t, 'retaining', { clean: true })
  publisher.send({ ...publishPacket('t/unmarked', 'x', 1), retain: true })
  await publisher.wait('puback')
  const after = await join(t, 'unmarked')
  t.match(await after.wait('publish'), [{ retain: false }])
})

t.test('a long queue comes as fast as it is read, and nobody is cut for it', async (t) => {
  const sizes = { plainQueueMax: '1000', plainQueueBytesMax: '60000000', windowBytesMax: '131072' }
  const on = await startTestServer(t, { ...flags, ...sizes })
  const before = await join(t, 'patient', { on })
  await subscribe(before, 't/long', 1)
  await leave(before)
  const publisher = await join(t, 'writer', { clean: true, on })
  const payload = Buffer.alloc(100_000, 120)
  for (let n = 1; n <= 300; n++) {
    publisher.send(publishPacket('t/long', payload, n))
    await publisher.wait('puback', n)
  }
  const after = await join(t, 'patient', { on })
  after.pause()
  for (let n = 301; n <= 320; n++) {
    publisher.send(publishPacket('t/long', `${n}`, n))
    await publisher.wait('puback', n)
  }
  t.ok(after.of('publish').length < 300)
  after.resume()
  const received = await after.wait('publish', 320)
  t.same(
    texts(received).slice(300),
    Array.from({ length: 20 }, (_, i) => `${301 + i}`),
  )
})

t.test('UNSUBSCRIBE lasts, also while the device is away [MQTT-3.10.4-1]', async (t) => {
  const before = await join(t, 'unsubscribed')
  await subscribe(before, 't/unsubscribed', 1)
  before.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['t/unsubscribed'] })
  await before.wait('unsuback')
  await leave(before)
  await publish(t, 't/unsubscribed', ['unheard'])
  const after = await join(t, 'unsubscribed')
  await subscribe(after, 't/end/unsubscribed')
  await publish(t, 't/end/unsubscribed', ['end'])
  t.same(texts(await after.wait('publish')), ['end'])
})

t.test('a retained message is not sent again to a session that goes on', async (t) => {
  const before = await join(t, 'kept')
  before.send({ ...publishPacket('t/kept', 'kept', 9), retain: true })
  await subscribe(before, 't/kept', 1)
  await before.wait('publish')
  before.send({ cmd: 'pingreq' })
  await before.wait('pingresp')
  await leave(before)
  const after = await join(t, 'kept')
  await publish(t, 't/kept', ['new'])
  t.match(await after.wait('publish'), [{ payload: Buffer.from('new'), retain: false }])
})

t.test('the queue of a device that is away has a bound, and keeps the oldest', async (t) => {
  const on = await startTestServer(t, { ...flags, plainQueueMax: '50' })
  const before = await join(t, 'bounded', { on })
  await subscribe(before, 't/bounded', 1)
  await leave(before)
  const numbers = Array.from({ length: 80 }, (_, i) => `${i}`)
  const publisher = await join(t, 'writer', { clean: true, on })
  publisher.send(...numbers.map((text, i) => publishPacket('t/bounded', text, i + 1)))
  await publisher.wait('puback', 80)
  const after = await join(t, 'bounded', { on })
  await after.wait('publish', 50)
  await subscribe(after, 't/bounded/end')
  publisher.send(publishPacket('t/bounded/end', 'end', 99))
  t.same(texts(await after.wait('publish', 51)), [...numbers.slice(0, 50), 'end'])
})

t.test('packet ids go on where the last connection left, above those of chat', async (t) => {
  const seen = new Set<number>()
  for (const round of [1, 2, 3]) {
    const client = await join(t, 'ids', { acknowledge: false })
    await subscribe(client, 't/ids', 1)
    await publish(t, 't/ids', ['a', 'b', 'c', 'd'])
    const received = await client.wait('publish', round * 4)
    for (const { messageId = 0 } of received) seen.add(messageId)
    client.stream.destroy()
  }
  t.equal(seen.size, 12, 'no id stands for two messages')
  t.ok([...seen].every((id) => id > chatIdMax))
})

t.test('after a restart the subscriptions are there, and the session is present', async (t) => {
  const data = temporaryFolder(t)
  const first = await startTestServer(t, { ...flags, data })
  const before = await join(t, 'restarted', { on: first })
  await subscribe(before, 't/restart/+', 2)
  await subscribe(before, 'u/alice/msg', 1)
  await leave(before)
  await first.close()
  const second = await startTestServer(t, { ...flags, data })
  const after = await join(t, 'restarted', { on: second })
  t.equal(presence(after), true)
  const other = await join(t, 'other', { on: second, clean: true })
  other.send(
    { ...publishPacket('t/restart/x', 'plain', 3), qos: 2 },
    publishPacket('u/alice/msg', 'chat', 4),
  )
  const received = await after.wait('publish', 2)
  t.same(received.map(({ topic, qos }) => `${topic} ${qos}`).sort(), [
    't/restart/x 2',
    'u/alice/msg 1',
  ])
})

t.test('a subscription that is no longer granted is silent after a restart', async (t) => {
  const data = temporaryFolder(t)
  const first = await startTestServer(t, { ...flags, data })
  const before = await join(t, 'closed', { on: first })
  await subscribe(before, 't/closed', 1)
  await leave(before)
  await first.close()
  const second = await startTestServer(t, { openTopics: 't/open', data })
  const token = await second.token('bob', { publish: ['t/#'], subscribe: ['t/#'] })
  const bob = await connectRaw(
    t,
    second,
    { user: 'bob', id: 'b' },
    { password: Buffer.from(token) },
  )
  const after = await join(t, 'closed', { on: second })
  await subscribe(after, 't/open', 1)
  bob.send(publishPacket('t/closed', 'secret', 1), publishPacket('t/open', 'open', 2))
  t.same(texts(await after.wait('publish')), ['open'])
})
