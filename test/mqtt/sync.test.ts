// `u/<me>/sync` and the `caughtUp` event, on the wire.

import t from 'tap'
import { directConversation } from '../../protocol/ids.ts'
import { connectDevice } from '../support/chat-client.ts'
import { isRefused } from '../support/level.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const server = await startTestServer(t)
for (const user of ['alice', 'bob']) await server.addUser(user)
const alice = await connectDevice(t, server, { user: 'alice', id: 'phone' })
const say = (text: string) => alice.mqtt.publishAsync('u/bob/msg', text, { qos: 1 })
for (const text of ['one', 'two', 'three']) await say(text)
const bob = { user: 'bob', id: 'browser' }

t.test('a clean client that names its positions gets what it missed, then caughtUp', async (t) => {
  const client = await connectDevice(t, server, bob, { clean: true })
  await client.mqtt.subscribeAsync('u/bob/#', { qos: 1 })
  const conversation = directConversation('alice', 'bob')
  await client.mqtt.publishAsync('u/bob/sync', JSON.stringify({ [conversation]: 1 }), { qos: 1 })
  await until('caught up twice', () => events(client.received).length === 2)
  await say('four')
  await until('the live one', () => client.texts('u/bob/msg').length === 3)
  t.strictSame(client.texts('u/bob/msg'), ['two', 'three', 'four'])
  const topics = client.received.map(({ topic, json }) => json.type ?? topic)
  const relevant = topics.filter((it) => it === 'caughtUp' || it === 'u/bob/msg')
  t.strictSame(relevant, ['caughtUp', 'u/bob/msg', 'u/bob/msg', 'caughtUp', 'u/bob/msg'])
})

t.test('positions that are none are refused and explained', async (t) => {
  const client = await connectDevice(t, server, bob, { clean: true })
  await client.mqtt.subscribeAsync('u/bob/error', { qos: 1 })
  const payloads = ['', 'x', '[]', '{"d:x":"1"}', '{"d:x":-1}', '{"d:x":1.5}', '{"d:x":null}']
  for (const payload of payloads) {
    await isRefused(client.mqtt.publishAsync('u/bob/sync', payload, { qos: 1 }))
  }
  await until('all explained', () => client.received.length === payloads.length)
  t.ok(client.received.every(({ json }) => json.code === 'invalid-payload'))
  await client.mqtt.publishAsync('u/bob/sync', '{"d:unknown":7}', { qos: 1 })
  t.equal(client.received.length, payloads.length, 'an unknown conversation is passed over')
})

t.test('nobody speaks for the devices of another user', async (t) => {
  const client = await connectDevice(t, server, bob, { clean: true })
  await client.mqtt.subscribeAsync('u/bob/error', { qos: 1 })
  await isRefused(client.mqtt.publishAsync('u/alice/sync', '{}', { qos: 1 }))
  await until('explained', () => client.received.length === 1)
  t.equal(client.received[0]?.json.code, 'unknown-topic')
})

function events(received: readonly { readonly json: Record<string, unknown> }[]) {
  return received.filter(({ json }) => json.type === 'caughtUp')
}
