// Plain topics between MQTT.js at level 5 and at level 4: what one says with properties the other
// gets without, and all of it comes back to who speaks MQTT 5.

import { Buffer } from 'node:buffer'
import type { IClientOptions, IPublishPacket } from 'mqtt'
import t from 'tap'
import { connectDevice } from '../support/chat-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

type Owner = Parameters<typeof startTestServer>[0]

const server = await startTestServer(t, { openTopics: 't/#' })

const properties = {
  payloadFormatIndicator: true,
  contentType: 'application/json',
  responseTopic: 't/answers',
  correlationData: Buffer.of(0, 1, 255),
  userProperties: { trace: 'abc', tags: ['x', 'y'] },
}

/** A client with the packets it heard. */
async function connect(t: Owner, id: string, options: IClientOptions = {}) {
  const base = { protocolVersion: 5, clean: true, ...options } as const
  const { mqtt, sessionPresent } = await connectDevice(t, server, { user: 'alice', id }, base)
  const heard: IPublishPacket[] = []
  mqtt.on('packetreceive', (packet) => {
    if (packet.cmd === 'publish') heard.push(packet)
  })
  const wait = async (count: number) => {
    await until(`${count} messages`, () => heard.length >= count)
    return heard
  }
  return { mqtt, sessionPresent, heard, wait }
}

const level4 = { protocolVersion: 4 } as const

t.test('properties go from MQTT 5 to MQTT 5, and payloads everywhere', async (t) => {
  const bob = await connect(t, 'bob')
  const old = await connect(t, 'old', level4)
  for (const { mqtt } of [bob, old]) await mqtt.subscribeAsync('t/a/+', { qos: 2 })
  await bob.mqtt.publishAsync('t/a/1', '{"x":1}', { qos: 2, retain: true, properties })
  await old.mqtt.publishAsync('t/a/2', '{"x":2}', { qos: 1 })
  const [first, second] = await bob.wait(2)
  t.match(first, { topic: 't/a/1', payload: Buffer.from('{"x":1}'), qos: 2 })
  t.same({ ...first?.properties }, properties)
  t.match(second, { topic: 't/a/2', payload: Buffer.from('{"x":2}'), qos: 1 })
  t.same(
    (await old.wait(2)).map(({ payload }) => `${payload}`),
    ['{"x":1}', '{"x":2}'],
  )
  const late = await connect(t, 'late')
  await late.mqtt.subscribeAsync('t/a/#')
  const [retained] = await late.wait(1)
  t.equal(retained?.retain, true)
  t.same({ ...retained?.properties }, properties)
})

t.test('a queue waits with properties, and forgets what is over', async (t) => {
  const durable = { clean: false, properties: { sessionExpiryInterval: 100 } }
  const bob = await connect(t, 'queue', durable)
  await bob.mqtt.subscribeAsync('t/q', { qos: 1, properties: { subscriptionIdentifier: 5 } })
  await bob.mqtt.endAsync()
  const alice = await connect(t, 'alice')
  const at = Date.now()
  const short = { properties: { ...properties, messageExpiryInterval: 1 } }
  const long = { properties: { ...properties, messageExpiryInterval: 100 } }
  await alice.mqtt.publishAsync('t/q', 'short', { qos: 1, ...short })
  await alice.mqtt.publishAsync('t/q', 'long', { qos: 1, ...long })
  await until('one is over', () => Date.now() > at + 1500)
  const again = await connect(t, 'queue', durable)
  t.equal(again.sessionPresent, true)
  const [got] = await again.wait(1)
  t.equal(`${got?.payload}`, 'long')
  t.match(got?.properties, { contentType: 'application/json', subscriptionIdentifier: 5 })
  const left = got?.properties?.messageExpiryInterval ?? 0
  t.ok(left >= 90 && left < 100, `${left} s are left`)
})

t.test('a will waits for its time, with properties', async (t) => {
  const bob = await connect(t, 'witness')
  await bob.mqtt.subscribeAsync('t/will')
  const will = { topic: 't/will', payload: Buffer.from('gone'), qos: 1 as const, retain: false }
  const alice = await connect(t, 'testator', {
    properties: { sessionExpiryInterval: 100 },
    will: { ...will, properties: { ...properties, willDelayInterval: 1 } },
  })
  const at = Date.now()
  alice.mqtt.stream.destroy()
  const [got] = await bob.wait(1)
  t.ok(Date.now() - at > 900)
  t.same({ ...got?.properties }, properties)
})

t.test('filters that overlap: one message, with all identifiers', async (t) => {
  const bob = await connect(t, 'overlap')
  for (const [filter, subscriptionIdentifier] of [
    ['t/o/#', 1],
    ['t/o/+', 2],
    ['t/o/x', 3],
  ] as const) {
    await bob.mqtt.subscribeAsync(filter, { qos: 1, properties: { subscriptionIdentifier } })
  }
  const old = await connect(t, 'old', level4)
  await old.mqtt.publishAsync('t/o/x', 'x', { qos: 1 })
  await old.mqtt.publishAsync('t/o/x/y', 'y', { qos: 1 })
  const got = await bob.wait(2)
  const identifiers = got.map(({ properties: its }) => [its?.subscriptionIdentifier].flat().sort())
  t.same(identifiers, [[1, 2, 3], [1]])
})
