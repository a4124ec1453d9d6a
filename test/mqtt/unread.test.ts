// What is unread, pushed to all devices of a user, on the wire.

import t from 'tap'
import { directConversation } from '../../protocol/ids.ts'
import { connectDevice } from '../support/chat-client.ts'
import { startTestServer } from '../support/server.ts'
import { noticesOf, told } from './notices.ts'

const server = await startTestServer(t, { receiptIntervalMs: '20' })
await server.addGroup('team', ['alice', 'bob', 'carol'])
const pair = directConversation('alice', 'bob')
const alice = await connectDevice(t, server, { user: 'alice', id: 'phone' })
const say = (topic: string, payload: string) => alice.mqtt.publishAsync(topic, payload, { qos: 1 })

async function device(t: Parameters<typeof startTestServer>[0], id: string) {
  const client = await connectDevice(t, server, { user: 'bob', id })
  await client.mqtt.subscribeAsync('u/bob/event', { qos: 1 })
  return client
}

const badge = async () => {
  const token = await server.token('bob')
  return (await server.request('GET', '/v1/unread', { token })).json
}

t.test('every device hears what is unread, and of the reading on another', async (t) => {
  for (const text of ['one', 'two']) await say('u/bob/msg', text)
  await say('g/team/msg', 'hello')
  const phone = await device(t, 'phone')
  const laptop = await device(t, 'laptop')
  await say('u/bob/msg', 'three')
  const expected = { type: 'unread', conversation: pair, unread: 3, read: 0, badge: 4 }
  for (const client of [phone, laptop]) {
    t.strictSame(await told(client, 'event', { type: 'unread' }), expected)
  }
  await phone.mqtt.publishAsync('u/alice/read', '{"seq":2}', { qos: 1 })
  for (const client of [phone, laptop]) {
    await told(client, 'event', { ...expected, unread: 1, read: 2, badge: 2 })
  }
  await phone.mqtt.publishAsync('u/alice/msg', 'mine', { qos: 1 })
  await say('u/bob/msg', '{"kind":"reaction","text":"+1"}')
  await say('u/bob/msg', '{"kind":"edit","text":"+1"}')
  await say('g/team/msg', 'more')
  await told(laptop, 'event', { conversation: 'g:team', unread: 2, badge: 3 })
  t.equal(noticesOf(laptop, 'event', pair).length, 2, 'own, edits and reactions do not count')
  const one = { conversation: pair, unread: 1, read: 2, mutedUntil: null }
  const two = { conversation: 'g:team', unread: 2, read: 0, mutedUntil: null }
  t.strictSame(await badge(), { badge: 3, conversations: [one, two] })
})

t.test('a mute changes the badge when it begins and when it ends', async (t) => {
  const phone = await device(t, 'tablet')
  const token = await server.token('bob')
  const path = '/v1/conversations/g:team/mute'
  await server.request('PUT', path, { token, body: { until: Date.now() + 1500 } })
  await told(phone, 'event', { conversation: 'g:team', unread: 2, badge: 1 })
  await told(phone, 'event', { conversation: 'g:team', unread: 2, badge: 3 })
  t.match(await badge(), { badge: 3 })
  await server.request('PUT', path, { token, body: { until: Number.MAX_SAFE_INTEGER } })
  await say('g/team/msg', 'quiet')
  await told(phone, 'event', { conversation: 'g:team', unread: 3, badge: 1 })
  await server.request('PUT', path, { token, body: { until: null } })
  await told(phone, 'event', { conversation: 'g:team', unread: 3, badge: 4 })
})

t.test('a group that is left takes what is unread with it, and comes back with none', async (t) => {
  const phone = await device(t, 'watch')
  const token = await server.token('alice')
  await say('g/team/msg', 'still here')
  await told(phone, 'event', { conversation: 'g:team', unread: 4, badge: 5 })
  const change = (method: string) =>
    server.request(method, '/v1/groups/team/members/bob', { token })
  await change('DELETE')
  await told(phone, 'event', { conversation: 'g:team', unread: 0, badge: 1 })
  await say('g/team/msg', 'without bob')
  await change('PUT')
  await say('g/team/msg', 'with bob')
  await told(phone, 'event', { conversation: 'g:team', unread: 1, badge: 2 })
  t.match(await badge(), { badge: 2 })
})

t.test('members who are there hear of a new title, and later ones get it', async (t) => {
  const phone = await device(t, 'phone')
  const token = await server.token('alice')
  const body = { title: 'The new team' }
  await server.request('PATCH', '/v1/groups/team', { token, body })
  const expected = { conversation: 'g:team', group: 'team', title: 'The new team' }
  t.strictSame(await told(phone, 'event', { type: 'renamed' }), { type: 'renamed', ...expected })
  await say('g/team/msg', 'still delivered')
  await told(phone, 'event', { conversation: 'g:team', unread: 2 })
  await server.addUser('dave')
  const dave = await connectDevice(t, server, { user: 'dave', id: 'phone' })
  await dave.mqtt.subscribeAsync('u/dave/event', { qos: 1 })
  await server.request('PUT', '/v1/groups/team/members/dave', { token })
  await told(dave, 'event', { type: 'joined', ...expected })
})
