// The path of a message, end to end, with MQTT.js.

import t from 'tap'
import { connectDevice } from './support/chat-client.ts'
import { startTestServer } from './support/server.ts'
import { until } from './support/until.ts'

t.test('a direct message reaches the peer, and the other device of its sender', async (t) => {
  const server = await startTestServer(t)
  const bob = await connectDevice(t, server, { user: 'bob', id: 'phone' })
  const alice = await connectDevice(t, server, { user: 'alice', id: 'phone' })
  const laptop = await connectDevice(t, server, { user: 'alice', id: 'laptop' })
  await bob.mqtt.subscribeAsync('u/bob/#', { qos: 1 })
  await laptop.mqtt.subscribeAsync('u/alice/msg', { qos: 1 })
  await alice.mqtt.publishAsync('u/bob/msg', '{"id":"m1","text":"hello"}', { qos: 1 })
  await until('both have it', () => bob.messages.length > 0 && laptop.messages.length > 0)
  t.match(bob.messages[0], {
    topic: 'u/bob/msg',
    json: { seq: 1, id: 'm1', from: 'alice', to: 'bob', kind: 'text', text: 'hello' },
  })
  t.match(laptop.messages[0], { topic: 'u/alice/msg', json: { from: 'alice', to: 'bob' } })
})

t.test('a device that was away gets what it missed, in order, before what is new', async (t) => {
  const server = await startTestServer(t)
  await server.addGroup('team', ['alice', 'bob'])
  const alice = await connectDevice(t, server, { user: 'alice', id: 'phone' })
  let bob = await connectDevice(t, server, { user: 'bob', id: 'phone' })
  await bob.mqtt.subscribeAsync('g/+/msg', { qos: 1 })
  await bob.close()
  for (let i = 1; i <= 700; i++) {
    await alice.mqtt.publishAsync('g/team/msg', `away ${i}`, { qos: 1 })
  }
  bob = await connectDevice(t, server, { user: 'bob', id: 'phone' })
  t.equal(bob.sessionPresent, true)
  await alice.mqtt.publishAsync('g/team/msg', 'new', { qos: 1 })
  await until('bob has all', () => bob.messages.length >= 701)
  const expected = Array.from({ length: 700 }, (_, i) => `away ${i + 1}`)
  t.same(bob.texts('g/team/msg'), [...expected, 'new'])
  await bob.close()
  bob = await connectDevice(t, server, { user: 'bob', id: 'phone' })
  await alice.mqtt.publishAsync('g/team/msg', 'again', { qos: 1 })
  await until('bob has it', () => bob.messages.length >= 1)
  t.same(bob.texts(), ['again'], 'what was acknowledged does not come again')
})
