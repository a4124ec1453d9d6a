// Delivered and read receipts on the wire, with several devices.

import t from 'tap'
import { directConversation } from '../../protocol/ids.ts'
import type { ChatClient } from '../support/chat-client.ts'
import { connectDevice } from '../support/chat-client.ts'
import { isRefused } from '../support/level.ts'
import { connectRaw, publishPacket } from '../support/raw-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { noticesOf, told } from './notices.ts'

type Owner = Parameters<typeof startTestServer>[0]
type Options = Parameters<typeof connectDevice>[3] & { readonly qos?: 0 | 1 }

/** A fast server, with ways to connect devices that listen to everything of theirs. */
async function start(t: Owner, flags: Readonly<Record<string, string>> = {}) {
  const server = await startTestServer(t, { receiptIntervalMs: '20', ...flags })
  for (const user of ['alice', 'bob', 'carol']) await server.addUser(user)
  const device = async (user: string, id: string, { qos = 1, ...options }: Options = {}) => {
    const client = await connectDevice(t, server, { user, id }, options)
    await client.mqtt.subscribeAsync([`u/${user}/#`, 'g/+/#'], { qos })
    return client
  }
  return { server, device }
}

const pair = directConversation('alice', 'bob')

function send(client: ChatClient, topic: string, payload: string | object, qos: 0 | 1 | 2 = 1) {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
  return client.mqtt.publishAsync(topic, text, { qos })
}

async function reportOf(server: TestServer, user: string, conversation: string, seq?: number) {
  const token = await server.token(user)
  const query = seq === undefined ? '' : `?seq=${seq}`
  const path = `/v1/conversations/${conversation}/receipts${query}`
  return (await server.request('GET', path, { token })).json as Record<string, unknown>
}

t.test('a sender hears what was delivered and what was read', async (t) => {
  const { device } = await start(t)
  const alice = await device('alice', 'phone')
  const laptop = await device('alice', 'laptop')
  const bob = await device('bob', 'phone')
  await send(alice, 'u/bob/msg', 'one')
  const base = { conversation: pair, from: 'bob', to: 'alice' }
  for (const client of [alice, laptop]) {
    const receipt = await told(client, 'receipt', { delivered: 1 })
    t.strictSame(receipt, { ...base, delivered: 1, read: 0 })
  }
  await send(bob, 'u/alice/read', { seq: 1 })
  t.strictSame(await told(alice, 'receipt', { read: 1 }), { ...base, delivered: 1, read: 1 })
  const [first] = alice.received.filter(({ topic }) => topic === 'u/alice/receipt')
  t.equal(first?.qos, 0)
  t.strictSame(noticesOf(bob, 'receipt'), [], 'nobody gets receipts of their own')
})

t.test('own entries that reach own devices are no receipts', async (t) => {
  const { device } = await start(t)
  const alice = await device('alice', 'phone')
  await device('alice', 'laptop')
  const bob = await device('bob', 'phone')
  await send(alice, 'u/bob/msg', 'one')
  await send(alice, 'u/bob/msg', 'two')
  await told(alice, 'receipt', { delivered: 2 })
  await send(bob, 'u/alice/msg', 'three')
  await told(bob, 'receipt', { delivered: 3 })
  t.strictSame(
    noticesOf(bob, 'receipt').map(({ delivered }) => delivered),
    [3],
  )
})

t.test('one device is enough; at QoS 0 nothing is delivered; a clean session counts', async (t) => {
  const { device, server } = await start(t)
  const alice = await device('alice', 'phone')
  const zero = await device('bob', 'zero', { qos: 0 })
  await send(alice, 'u/bob/msg', 'one')
  await until('it is there', () => zero.texts().length === 1)
  t.match(await reportOf(server, 'alice', pair), { members: 1, delivered: 0 })
  await device('bob', 'stays', { clean: true })
  await send(alice, 'u/bob/msg', 'two')
  await told(alice, 'receipt', { delivered: 2 })
  t.match(await reportOf(server, 'alice', pair), { members: 1, delivered: 1, read: 0 })
})

t.test('a group hears it on its own topic, the member’s devices do not', async (t) => {
  const { device, server } = await start(t)
  await server.addGroup('team', ['alice', 'bob', 'carol'])
  const [alice, bob, carol] = [
    await device('alice', 'phone'),
    await device('bob', 'phone'),
    await device('carol', 'phone'),
  ]
  await send(alice, 'g/team/msg', 'one')
  await send(bob, 'g/team/read', { seq: 1 })
  for (const client of [alice, carol]) {
    const receipt = await told(client, 'receipt', { from: 'bob', read: 1 })
    const expected = { conversation: 'g:team', from: 'bob', group: 'team', delivered: 1, read: 1 }
    t.strictSame(receipt, expected)
    t.ok(client.received.some(({ topic }) => topic === 'g/team/receipt'))
  }
  t.notOk(noticesOf(bob, 'receipt').some(({ from }) => from === 'bob'))
  const report = await reportOf(server, 'alice', 'g:team')
  t.match(report, { members: 2, delivered: 2, read: 1 })
  t.match(report.devices, [{ device: 'phone', acked: 1 }])
})

t.test('a read mark is clamped to the head and never moves down', async (t) => {
  const { device, server } = await start(t)
  const alice = await device('alice', 'phone')
  const bob = await device('bob', 'phone')
  for (const text of ['one', 'two', 'three']) await send(alice, 'u/bob/msg', text)
  await send(bob, 'u/alice/read', { seq: Number.MAX_SAFE_INTEGER })
  t.match(await reportOf(server, 'alice', pair), { list: [{ delivered: 3, read: 3 }] })
  await send(bob, 'u/alice/read', { seq: 1 })
  t.match(await reportOf(server, 'alice', pair), { list: [{ delivered: 3, read: 3 }] })
  await send(alice, 'u/bob/msg', 'four')
  for (const [qos, seq] of [[0, 4] as const, [2, 4] as const]) {
    await send(bob, 'u/alice/read', { seq }, qos)
  }
  t.match(await reportOf(server, 'alice', pair), { list: [{ read: 4 }] })
})

t.test('a read mark that is none, or of a stranger, is refused and explained', async (t) => {
  const { device, server } = await start(t)
  await server.addGroup('team', ['alice'])
  const bob = await device('bob', 'phone')
  const bad = ['', 'x', '7', '[]', '{}', '{"seq":0}', '{"seq":-1}', '{"seq":1.5}', '{"seq":"1"}']
  for (const payload of bad) await isRefused(send(bob, 'u/alice/read', payload))
  t.strictSame(
    noticesOf(bob, 'error').map(({ code }) => code),
    bad.map(() => 'invalid-payload'),
  )
  for (const topic of ['u/alice/read', 'u/nobody/read', 'g/team/read', 'g/none/read']) {
    await isRefused(send(bob, topic, { seq: 1 }))
    t.match(noticesOf(bob, 'error').at(-1), { code: 'not-a-member' })
  }
  const token = await server.token('bob')
  const { json } = await server.request('GET', '/v1/conversations', { token })
  t.strictSame(json, { conversations: [] }, 'no conversation was made')
})

t.test('answers keep their order among messages, read marks and refusals', async (t) => {
  const { server } = await start(t)
  const bob = await connectRaw(t, server, { user: 'bob', id: 'phone' })
  bob.send(
    publishPacket('u/alice/msg', 'one', 1),
    publishPacket('u/alice/read', '{"seq":1}', 2),
    publishPacket('u/alice/typing', '', 3),
    publishPacket('u/alice/msg', 'two', 4),
    publishPacket('u/alice/read', 'bad', 5),
    publishPacket('u/alice/read', '{"seq":2}', 6),
  )
  const answers = await bob.wait('puback', 6)
  t.strictSame(
    answers.map(({ messageId }) => messageId),
    [1, 2, 3, 4, 5, 6],
  )
})

t.test('many acknowledgements make few receipts', async (t) => {
  const { device } = await start(t, { receiptIntervalMs: '200' })
  const alice = await device('alice', 'phone')
  await device('bob', 'phone')
  const begin = Date.now()
  for (let n = 0; n < 100; n++) await send(alice, 'u/bob/msg', `${n}`)
  await told(alice, 'receipt', { delivered: 100 })
  const intervals = Math.ceil((Date.now() - begin) / 200)
  const delivered = noticesOf(alice, 'receipt').map((it) => it.delivered as number)
  t.ok(delivered.length <= intervals, `${delivered.length} in ${intervals} intervals`)
  t.strictSame(
    delivered,
    [...delivered].sort((a, b) => a - b),
  )
})

t.test('in a large group nothing is announced; counts are there on request', async (t) => {
  const { device, server } = await start(t, { receiptMembersMax: '2' })
  await server.addGroup('team', ['alice', 'bob', 'carol'])
  const alice = await device('alice', 'phone')
  const bob = await device('bob', 'phone')
  await send(alice, 'u/bob/msg', 'direct')
  await send(alice, 'g/team/msg', 'one')
  await send(bob, 'g/team/read', { seq: 1 })
  await send(bob, 'u/alice/read', { seq: 1 })
  await told(alice, 'receipt', { conversation: pair, read: 1 })
  t.strictSame(noticesOf(alice, 'receipt', 'g:team'), [])
  const report = await reportOf(server, 'alice', 'g:team')
  t.match(report, { members: 2, delivered: 1, read: 1, list: undefined })
  const token = await server.token('alice')
  await server.request('DELETE', '/v1/groups/team/members/carol', { token })
  // The answer does not wait for those who are connected to hear of the change.
  await until('a receipt of the group that is small now', async () => {
    await send(alice, 'g/team/msg', 'more')
    return noticesOf(alice, 'receipt', 'g:team').length > 0
  })
})

t.test('a device that was away gets the receipts it missed, once', async (t) => {
  const { device, server } = await start(t)
  const alice = await device('alice', 'phone')
  const laptop = await device('alice', 'laptop')
  const bob = await device('bob', 'phone')
  await send(alice, 'u/bob/msg', 'one')
  await told(alice, 'receipt', { delivered: 1 })
  await alice.close()
  await send(bob, 'u/alice/read', { seq: 1 })
  await told(laptop, 'receipt', { read: 1 })
  const back = await connectDevice(t, server, { user: 'alice', id: 'phone' })
  t.ok(back.sessionPresent)
  await told(back, 'receipt', { conversation: pair, from: 'bob', to: 'alice', read: 1 })
  await send(back, 'u/bob/msg', 'two')
  await told(back, 'receipt', { delivered: 2 })
  t.equal(noticesOf(back, 'receipt').filter(({ delivered }) => delivered === 1).length, 1)
})

t.test('marks survive a restart', async (t) => {
  const { device, server } = await start(t)
  const alice = await device('alice', 'phone')
  const bob = await device('bob', 'phone')
  const carol = await device('carol', 'phone')
  await send(alice, 'u/bob/msg', 'one')
  await send(alice, 'u/carol/msg', 'one')
  await send(bob, 'u/alice/read', { seq: 1 })
  await until('carol has it', () => carol.texts().length === 1)
  await told(alice, 'receipt', { from: 'carol', delivered: 1 })
  await server.close()
  const again = await startTestServer(t, { data: server.data })
  t.match(await reportOf(again, 'alice', pair), { list: [{ delivered: 1, read: 1 }] })
  const other = directConversation('alice', 'carol')
  t.match(await reportOf(again, 'alice', other), { list: [{ delivered: 1, read: 0 }] })
})

t.test('who hides what was read is not seen reading, anywhere', async (t) => {
  const { device, server } = await start(t)
  const alice = await device('alice', 'phone')
  const bob = await device('bob', 'phone')
  const token = await server.token('bob')
  const choose = (readReceipts: string) =>
    server.request('PATCH', '/v1/users/me/settings', { token, body: { readReceipts } })
  await choose('nobody')
  await send(alice, 'u/bob/msg', 'one')
  await send(bob, 'u/alice/read', { seq: 1 })
  await told(bob, 'event', { type: 'unread', read: 1, unread: 0 })
  await send(alice, 'u/bob/msg', 'two')
  await told(alice, 'receipt', { delivered: 2 })
  t.ok(noticesOf(alice, 'receipt').every(({ read }) => read === 0))
  t.match(await reportOf(server, 'alice', pair, 1), { read: 0, list: [{ delivered: 2, read: 0 }] })
  await alice.close()
  const back = await connectDevice(t, server, { user: 'alice', id: 'phone' })
  t.match(await told(back, 'receipt', { delivered: 2 }), { read: 0 })
  await choose('everyone')
  await send(bob, 'u/alice/read', { seq: 2 })
  await told(back, 'receipt', { read: 2 })
})
