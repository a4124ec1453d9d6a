// Typing notices on the wire.

import t from 'tap'
import { directConversation } from '../../protocol/ids.ts'
import { connectDevice } from '../support/chat-client.ts'
import { isRefused } from '../support/level.ts'
import { startTestServer } from '../support/server.ts'
import { noticesOf, told } from './notices.ts'

const server = await startTestServer(t, { receiptMembersMax: '3' })
await server.addGroup('team', ['alice', 'bob', 'carol'])
await server.addGroup('crowd', ['alice', 'bob', 'carol', 'dave'])
await server.addGroup('others', ['carol'])

async function device(t: Parameters<typeof startTestServer>[0], user: string, id: string) {
  const client = await connectDevice(t, server, { user, id })
  await client.mqtt.subscribeAsync([`u/${user}/#`, 'g/+/#'], { qos: 1 })
  return client
}

t.test('those who listen are told who is typing, others are not', async (t) => {
  const alice = await device(t, 'alice', 'phone')
  const laptop = await device(t, 'alice', 'laptop')
  const bob = await device(t, 'bob', 'phone')
  const carol = await device(t, 'carol', 'phone')
  const conversation = directConversation('alice', 'bob')
  await alice.mqtt.publishAsync('u/bob/msg', 'hello', { qos: 1 })
  await alice.mqtt.publishAsync('u/bob/typing', '{"typing":true}', { qos: 0 })
  const notice = await told(bob, 'typing', { from: 'alice' })
  t.match(notice, { conversation, from: 'alice', to: 'bob', typing: true, at: Number })
  await alice.mqtt.publishAsync('u/bob/typing', '{"typing":false}', { qos: 1 })
  await told(bob, 'typing', { typing: false })
  await alice.mqtt.publishAsync('g/team/typing', '', { qos: 2 })
  for (const client of [bob, carol]) {
    t.match(await told(client, 'typing', { group: 'team' }), {
      conversation: 'g:team',
      from: 'alice',
      group: 'team',
      typing: true,
    })
  }
  t.equal(bob.received.find(({ topic }) => topic === 'g/team/typing')?.qos, 0)
  t.strictSame([...noticesOf(alice, 'typing'), ...noticesOf(laptop, 'typing')], [])
  t.equal(noticesOf(carol, 'typing').length, 1)
  await bob.close()
  await alice.mqtt.publishAsync('u/bob/typing', '', { qos: 1 })
  const back = await connectDevice(t, server, { user: 'bob', id: 'phone' })
  await carol.mqtt.publishAsync('g/team/typing', '', { qos: 1 })
  await told(back, 'typing', { from: 'carol' })
  t.equal(noticesOf(back, 'typing').length, 1, 'nothing is kept for who is away')
})

t.test('typing to strangers makes nothing, and is explained', async (t) => {
  const dave = await device(t, 'dave', 'phone')
  for (const topic of ['u/alice/typing', 'u/nobody/typing', 'g/others/typing', 'g/none/typing']) {
    await isRefused(dave.mqtt.publishAsync(topic, '', { qos: 1 }))
    t.match(noticesOf(dave, 'error').at(-1), { code: 'not-a-member' })
  }
  const token = await server.token('dave')
  const { json } = await server.request('GET', '/v1/conversations', { token })
  t.match(json, { conversations: [{ group: 'crowd' }] })
  t.equal((json as { conversations: [] }).conversations.length, 1)
})

t.test('too much of it is dropped, and a large group hears none', async (t) => {
  const dave = await device(t, 'dave', 'tablet')
  const bob = await device(t, 'bob', 'tablet')
  await dave.mqtt.publishAsync('g/crowd/typing', '', { qos: 1 })
  await dave.mqtt.publishAsync('u/bob/msg', 'hello', { qos: 1 })
  for (let n = 0; n < 50; n++) await dave.mqtt.publishAsync('u/bob/typing', '', { qos: 0 })
  await dave.mqtt.publishAsync('u/bob/typing', '{"typing":false}', { qos: 1 })
  await told(bob, 'typing', { from: 'dave', typing: false })
  const times = noticesOf(bob, 'typing').filter(({ from, typing }) => from === 'dave' && typing)
  t.ok(times.length >= 1 && times.length < 10, `${times.length} of 50`)
  t.strictSame(noticesOf(bob, 'typing', 'g:crowd'), [])
})
