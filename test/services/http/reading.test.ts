// What was received and read, what is unread, mutes and settings, over HTTP.

import t from 'tap'
import { isProblem, startApi } from './setup.ts'

const body = { kind: 'text', messageId: undefined, fields: '"text":"hi"' }

/** Group `team` of alice, bob and carol, with three messages of alice and one of bob. */
async function start(t: Parameters<typeof startApi>[0]) {
  const parts = await startApi(t)
  const { conversations, store, tokenOf } = parts
  await conversations.createGroup({ by: 'alice', group: 'team', members: ['bob', 'carol'] })
  const say = (from: string) => store.append([{ conversation: 'g:team', from, body }], 1)
  for (const from of ['alice', 'alice', 'bob', 'alice']) await say(from)
  const mark = (user: string, delivered: number, read: number) =>
    store.receipts.raise([{ conversation: 'g:team', user, joinedSeq: 0, delivered, read }])
  const [alice, bob] = [await tokenOf('alice'), await tokenOf('bob')]
  return { ...parts, say, mark, alice, bob }
}

t.test('GET …/receipts tells how far an entry has come', async (t) => {
  const { ask, mark, alice, store } = await start(t)
  await mark('bob', 4, 2)
  await mark('carol', 2, 2)
  const path = '/v1/conversations/g:team/receipts'
  const list = [
    { user: 'bob', delivered: 4, read: 2 },
    { user: 'carol', delivered: 2, read: 2 },
  ]
  const expected = { members: 2, list, devices: [] }
  const newest = await ask('GET', path, { token: alice })
  t.equal(newest.status, 200)
  t.same(newest.body, { ...expected, seq: 4, delivered: 1, read: 0 })
  const second = await ask('GET', `${path}?seq=2`, { token: alice })
  t.same(second.body, { ...expected, seq: 2, delivered: 2, read: 2 })
  await store.saveSettings('carol', { readReceipts: 'nobody' })
  const hidden = await ask('GET', `${path}?seq=2`, { token: alice })
  t.match(hidden.body, { delivered: 2, read: 1, list: [{}, { user: 'carol', read: 0 }] })
})

t.test('GET …/receipts gives counts only where there are many members', async (t) => {
  const { ask, mark, alice, store } = await start(t)
  for (const user of ['dave', 'erin']) {
    await store.createUser(user, undefined)
    await store.addMember('team', user)
  }
  await mark('bob', 4, 4)
  const { body } = await ask('GET', '/v1/conversations/g:team/receipts', { token: alice })
  t.strictSame(body, { seq: 4, members: 2, delivered: 1, read: 1, devices: [] }, 'nobody late')
})

t.test('GET …/receipts tells nothing of what was before the asker joined', async (t) => {
  const { ask, mark, say, store, tokenOf } = await start(t)
  await mark('bob', 4, 2)
  await store.createUser('dave', undefined)
  const token = await tokenOf('dave')
  await store.addMember('team', 'dave')
  const path = '/v1/conversations/g:team/receipts'
  const before = await ask('GET', path, { token })
  const list = ['alice', 'bob', 'carol'].map((user) => ({ user, delivered: 0, read: 0 }))
  t.same(before.body, { seq: 4, members: 0, delivered: 0, read: 0, list, devices: [] })
  isProblem(t, await ask('GET', `${path}?seq=4`, { token }), 404, 'not-found')
  await say('alice')
  await mark('bob', 5, 2)
  const after = await ask('GET', `${path}?seq=5`, { token })
  t.match(after.body, { members: 3, delivered: 1, read: 0 })
  t.match(after.body, { list: [{ delivered: 0 }, { user: 'bob', delivered: 5, read: 0 }] })
})

t.test('GET …/receipts refuses what is no position and no conversation', async (t) => {
  const { ask, alice: token } = await start(t)
  for (const query of ['seq=0', 'seq=-1', 'seq=x', 'seq=1.5', 'other=1']) {
    const answer = await ask('GET', `/v1/conversations/g:team/receipts?${query}`, { token })
    isProblem(t, answer, 400, 'invalid-request')
  }
  for (const id of ['team', 'x:team', 'g:', 'g:a%2Fb']) {
    const answer = await ask('GET', `/v1/conversations/${id}/receipts`, { token })
    isProblem(t, answer, 400, 'invalid-request')
  }
})

t.test('GET /v1/unread counts what others said above the read position', async (t) => {
  const { ask, mark, alice, bob, tokenOf } = await start(t)
  const unread = async (token: string) => (await ask('GET', '/v1/unread', { token })).body
  const one = (unread: number, read: number) => ({
    badge: unread,
    conversations: [{ conversation: 'g:team', unread, read, mutedUntil: null }],
  })
  t.strictSame(await unread(alice), one(1, 0))
  t.strictSame(await unread(bob), one(3, 0))
  t.strictSame(await unread(await tokenOf('carol')), one(4, 0))
  await mark('bob', 2, 2)
  t.strictSame(await unread(bob), one(1, 2))
  await mark('bob', 4, 4)
  t.strictSame(await unread(bob), { badge: 0, conversations: [] })
})

t.test('a muted conversation is counted, but not in the badge, until its time', async (t) => {
  const { ask, bob: token, time } = await start(t)
  const path = '/v1/conversations/g:team/mute'
  const unread = async () => (await ask('GET', '/v1/unread', { token })).body
  const until = time.now + 60_000
  const muted = await ask('PUT', path, { token, json: { until } })
  t.equal(muted.status, 204)
  t.match(await unread(), { badge: 0, conversations: [{ unread: 3, mutedUntil: until }] })
  const listed = await ask('GET', '/v1/conversations', { token })
  t.match(listed.body, { conversations: [{ unread: 3, mutedUntil: until }] })
  time.now = until
  t.match(await unread(), { badge: 3, conversations: [{ unread: 3, mutedUntil: null }] })
  await ask('PUT', path, { token, json: { until: until + 1 } })
  t.match(await unread(), { badge: 0 })
  await ask('PUT', path, { token, json: { until: null } })
  t.match(await unread(), { badge: 3, conversations: [{ mutedUntil: null }] })
  for (const json of [{}, { until: 'x' }, { until: -1 }, { until: 1.5 }, { until: 1, more: 1 }]) {
    isProblem(t, await ask('PUT', path, { token, json }), 400, 'invalid-request')
  }
})

t.test('settings are everyone’s own, and change by what is given', async (t) => {
  const { ask, alice, bob } = await start(t)
  const path = '/v1/users/me/settings'
  const read = async (token: string) => (await ask('GET', path, { token })).body
  t.strictSame(await read(alice), { readReceipts: 'everyone' })
  const changed = await ask('PATCH', path, { token: alice, json: { readReceipts: 'nobody' } })
  t.strictSame([changed.status, changed.body], [200, { readReceipts: 'nobody' }])
  t.strictSame((await ask('PATCH', path, { token: alice, json: {} })).body, {
    readReceipts: 'nobody',
  })
  t.strictSame(await read(alice), { readReceipts: 'nobody' })
  t.strictSame(await read(bob), { readReceipts: 'everyone' })
  for (const json of [{ readReceipts: 'some' }, { readReceipts: null }, { other: 1 }, []]) {
    isProblem(t, await ask('PATCH', path, { token: alice, json }), 400, 'invalid-request')
  }
})

t.test('PATCH /v1/groups/:group gives the group a title', async (t) => {
  const { ask, alice: token } = await start(t)
  const answer = await ask('PATCH', '/v1/groups/team', { token, json: { title: 'Us' } })
  t.strictSame(answer.body, { conversation: 'g:team', group: 'team', title: 'Us' })
  t.match((await ask('GET', '/v1/conversations', { token })).body, {
    conversations: [{ title: 'Us' }],
  })
  for (const json of [{}, { title: 1 }, { title: 'x'.repeat(201) }, { title: 'x', more: 1 }]) {
    isProblem(t, await ask('PATCH', '/v1/groups/team', { token, json }), 400, 'invalid-request')
  }
})
