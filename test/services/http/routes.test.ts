// Every route of the HTTP API over real HTTP: its good answers and its refusals.

import t from 'tap'
import { encodeEnvelope } from '../../../protocol/envelope.ts'
import { directConversation } from '../../../protocol/ids.ts'
import { adminToken, isProblem, password, startApi } from './setup.ts'

t.test('POST /v1/auth/register makes a user and gives a token', async (t) => {
  const { ask, tokens } = await startApi(t)
  const json = { user: 'zoë', password }
  const made = await ask('POST', '/v1/auth/register', { json })
  t.equal(made.status, 201)
  t.match(made.headers.get('content-type'), /^application\/json/)
  t.equal(made.headers.get('cache-control'), 'no-store')
  t.equal(made.headers.get('x-content-type-options'), 'nosniff')
  const { user, token, expiresAt } = made.body
  t.equal(user, 'zoë')
  t.match(await tokens.verify(token), { user: 'zoë', expiresAt })
  isProblem(t, await ask('POST', '/v1/auth/register', { json }), 409, 'user-exists')
})

t.test('POST /v1/auth/register refuses bad ids and passwords', async (t) => {
  const { ask, store } = await startApi(t)
  const bad = [
    {},
    { user: 'dave' },
    { password },
    { user: 'dave', password: 'short' },
    { user: 'dave', password: 'x'.repeat(257) },
    { user: 'dave', password: 12345678 },
    { user: 'dave', password, admin: true },
    { user: '', password },
    { user: 'a/b', password },
    { user: 'a b', password },
    { user: '$SYS', password },
    { user: 'é'.repeat(100), password },
    [],
    'text',
    null,
  ]
  for (const json of bad) {
    isProblem(t, await ask('POST', '/v1/auth/register', { json }), 400, 'invalid-request')
  }
  t.equal(await store.userExists('dave'), false)
})

t.test('POST /v1/auth/register is refused where registration is closed', async (t) => {
  const { ask } = await startApi(t, { registration: 'closed' })
  const json = { user: 'dave', password }
  isProblem(t, await ask('POST', '/v1/auth/register', { json }), 403, 'not-authorized')
  const made = await ask('POST', '/v1/admin/users', { json, token: adminToken })
  t.equal(made.status, 201, 'an administrator makes users')
  t.equal((await ask('POST', '/v1/auth/token', { json })).status, 200, 'who can log in')
})

t.test('POST /v1/auth/token gives a token for the password only', async (t) => {
  const { ask, tokens } = await startApi(t)
  const path = '/v1/auth/token'
  await ask('POST', '/v1/auth/register', { json: { user: 'dave', password } })
  const good = await ask('POST', path, { json: { user: 'dave', password } })
  t.equal(good.status, 200)
  t.equal((await tokens.verify(good.body.token)).user, 'dave')
  const wrong = await ask('POST', path, { json: { user: 'dave', password: 'x' } })
  const unknown = await ask('POST', path, { json: { user: 'nobody', password } })
  const passwordless = await ask('POST', path, { json: { user: 'alice', password } })
  for (const answer of [wrong, unknown, passwordless]) {
    isProblem(t, answer, 401, 'invalid-credentials')
    t.equal(answer.text, wrong.text, 'the same words for all')
    t.match(answer.headers.get('www-authenticate'), /^Bearer /)
  }
  isProblem(t, await ask('POST', path, { json: { user: 'dave' } }), 400, 'invalid-request')
})

t.test('POST /v1/groups makes a group', async (t) => {
  const { ask, tokenOf, announced } = await startApi(t)
  const token = await tokenOf('alice')
  const json = { group: 'team', title: 'The team', members: ['bob'] }
  const made = await ask('POST', '/v1/groups', { token, json })
  t.equal(made.status, 201)
  t.strictSame(made.body, { conversation: 'g:team', group: 'team', title: 'The team' })
  t.match(announced, [{ user: 'alice' }, { user: 'bob' }])
  isProblem(t, await ask('POST', '/v1/groups', { token, json }), 409, 'group-exists')
  const unnamed = await ask('POST', '/v1/groups', { token, json: { members: [] } })
  t.match(unnamed.body, { group: /^[\w-]{16}$/, title: '' })
  const unknown = { json: { members: ['nobody'] }, token }
  isProblem(t, await ask('POST', '/v1/groups', unknown), 404, 'unknown-user')
  for (const bad of [
    {},
    { members: 'bob' },
    { members: [1] },
    { members: ['a/b'] },
    { members: [], group: 'a/b' },
    { members: [], group: '' },
    { members: [], title: 'x'.repeat(201) },
    { members: Array.from({ length: 1001 }, (_, i) => `u${i}`) },
    { members: [], owner: 'bob' },
  ]) {
    isProblem(t, await ask('POST', '/v1/groups', { token, json: bad }), 400, 'invalid-request')
  }
})

t.test(
  'a group can be made with as many members of as long names as the protocol lets',
  async (t) => {
    const { ask, tokenOf, store } = await startApi(t)
    const members = Array.from({ length: 1000 }, (_, i) => `${i}`.padStart(128, 'm'))
    for (const user of members) await store.createUser(user, undefined)
    const made = await ask('POST', '/v1/groups', {
      token: await tokenOf('alice'),
      json: { members },
    })
    t.equal(made.status, 201)
    t.equal((await store.membersOf(made.body.conversation, { limit: 2000 })).length, 1001)
  },
)

t.test('PUT and DELETE of a member join and remove, whatever the ids look like', async (t) => {
  const { ask, tokenOf, store, announced } = await startApi(t)
  const token = await tokenOf('alice')
  for (const [group, user] of [
    ['team', 'bob'],
    ['équipe:1', 'zoë'],
    ['100%', 'a%2Fb'],
    ['a?b&c=d', '..'],
    ['ü'.repeat(64), 'd:x;y,z'],
  ] as const) {
    await store.createUser(user, undefined)
    await ask('POST', '/v1/groups', { token, json: { group, members: [] } })
    announced.splice(0)
    // URL parsers take even %2E%2E for a step up, so '..' cannot be reached; nor is it harmful.
    const path = `/v1/groups/${encodeURIComponent(group)}/members/${encodeURIComponent(user)}`
    if (user === '..') {
      isProblem(t, await ask('PUT', path, { token }), 404, 'not-found')
      continue
    }
    const added = await ask('PUT', path, { token })
    t.equal(added.status, 204, path)
    t.equal(added.text, '')
    t.equal((await ask('PUT', path, { token })).status, 204, 'again')
    t.match(await store.membership(`g:${group}`, user), { role: 'member' })
    t.equal((await ask('DELETE', path, { token })).status, 204)
    isProblem(t, await ask('DELETE', path, { token }), 404, 'not-found')
    t.equal(await store.membership(`g:${group}`, user), undefined)
    t.strictSame(
      announced.map(({ kind, conversation }) => `${kind} ${conversation}`),
      [`joined g:${group}`, `left g:${group}`],
    )
  }
})

t.test('ids in paths that are none are refused', async (t) => {
  const { ask, tokenOf } = await startApi(t)
  const token = await tokenOf('alice')
  for (const id of [
    'a%2Fb',
    '%2B',
    '%23',
    'a%20b',
    '%24SYS',
    '%00',
    'x'.repeat(129),
    '%E2%80%A8',
  ]) {
    const member = await ask('PUT', `/v1/groups/team/members/${id}`, { token })
    isProblem(t, member, 400, 'invalid-request')
    t.match(member.body.detail, /user/)
    const group = await ask('DELETE', `/v1/groups/${id}/members/bob`, { token })
    isProblem(t, group, 400, 'invalid-request')
    t.match(group.body.detail, /group/)
    for (const conversation of [id, `g:${id}`, `d:${id}`, 'x:team', 'g:', 'team']) {
      const history = await ask('GET', `/v1/conversations/${conversation}/messages`, { token })
      isProblem(t, history, 400, 'invalid-request')
    }
  }
  const last = await ask('DELETE', '/v1/groups/none/members/bob', { token })
  isProblem(t, last, 404, 'not-found')
})

t.test('the last owner of others cannot be removed', async (t) => {
  const { ask, tokenOf } = await startApi(t)
  const token = await tokenOf('alice')
  await ask('POST', '/v1/groups', { token, json: { group: 'team', members: ['bob'] } })
  isProblem(t, await ask('DELETE', '/v1/groups/team/members/alice', { token }), 409, 'last-owner')
})

t.test('GET /v1/conversations lists mine', async (t) => {
  const { ask, tokenOf, store, conversations } = await startApi(t)
  const token = await tokenOf('alice')
  t.strictSame((await ask('GET', '/v1/conversations', { token })).body, { conversations: [] })
  await conversations.direct('alice', 'bob')
  await conversations.direct('alice', 'alice')
  await conversations.direct('carol', 'bob')
  await conversations.createGroup({ by: 'bob', group: 'team', title: 'T', members: ['carol'] })
  const body = { kind: 'text', messageId: undefined, fields: '"text":"hi"' }
  await store.append([{ conversation: 'g:team', from: 'bob', body }], 1)
  await conversations.addMember({ by: 'bob', group: 'team', user: 'alice' })
  await store.append([{ conversation: 'g:team', from: 'bob', body }], 2)
  const { status, body: answer } = await ask('GET', '/v1/conversations', { token })
  t.equal(status, 200)
  const fresh = { unread: 0, read: 0, mutedUntil: null }
  const part = { role: 'member', joinedSeq: 0, head: 0, ...fresh }
  const direct = ['bob', 'alice'].map((peer) => ({
    id: directConversation('alice', peer),
    kind: 'direct',
    peer,
    ...part,
  }))
  direct.sort((a, b) => (a.id < b.id ? -1 : 1))
  const group = { id: 'g:team', kind: 'group', group: 'team', title: 'T' }
  t.strictSame(answer, {
    conversations: [
      ...direct,
      { ...group, role: 'member', joinedSeq: 1, head: 2, ...fresh, unread: 1 },
    ],
  })
})

t.test('GET …/messages gives the envelopes that devices get', async (t) => {
  const { ask, tokenOf, store, conversations } = await startApi(t)
  const conversation = await conversations.direct('alice', 'bob')
  const contents = [
    { kind: 'text', messageId: 'a1', fields: '"text":"höi \\u2028 \\"x\\""' },
    { kind: 'custom', messageId: undefined, fields: '' },
    { kind: 'data', messageId: undefined, fields: '"data":"AAEC"' },
    {
      kind: 'custom',
      messageId: undefined,
      fields: '"ext":{"__proto__":1,"n":12345678901234567890}',
    },
  ]
  await store.append(
    contents.map((body) => ({ conversation: conversation.id, from: 'bob', body })),
    1234,
  )
  const path = `/v1/conversations/${conversation.id}/messages`
  const answer = await ask('GET', path, { token: await tokenOf('alice') })
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8')
  const entries = await store.read(conversation.id, { limit: 10 })
  const texts = entries.map((entry) => encodeEnvelope(conversation, entry))
  t.equal(answer.text, `{"messages":[${texts.join(',')}],"next":null,"previous":null}`)
  t.match(answer.body.messages[0], { seq: 1, id: 'a1', from: 'bob', to: 'alice', at: 1234 })
})

t.test('POST /v1/admin/users makes users, with a password or without', async (t) => {
  const { ask } = await startApi(t)
  const token = adminToken
  const made = await ask('POST', '/v1/admin/users', { token, json: { user: 'robot' } })
  t.equal(made.status, 201)
  t.strictSame(made.body, { user: 'robot' })
  const json = { user: 'robot' }
  isProblem(t, await ask('POST', '/v1/admin/users', { token, json }), 409, 'user-exists')
  for (const bad of [{}, { user: 'a/b' }, { user: 'dave', password: 'short' }]) {
    const answer = await ask('POST', '/v1/admin/users', { token, json: bad })
    isProblem(t, answer, 400, 'invalid-request')
  }
})

t.test('POST /v1/admin/tokens gives a token for any user there is', async (t) => {
  const { ask, tokens } = await startApi(t)
  const token = adminToken
  const issued = await ask('POST', '/v1/admin/tokens', { token, json: { user: 'alice' } })
  t.equal(issued.status, 201)
  t.equal(issued.headers.get('cache-control'), 'no-store')
  t.equal((await tokens.verify(issued.body.token)).user, 'alice')
  const unknown = await ask('POST', '/v1/admin/tokens', { token, json: { user: 'nobody' } })
  isProblem(t, unknown, 404, 'unknown-user')
  const bad = await ask('POST', '/v1/admin/tokens', { token, json: { user: 1 } })
  isProblem(t, bad, 400, 'invalid-request')
})

t.test('POST /v1/admin/tokens puts grants of plain topics into the token', async (t) => {
  const { ask, tokens } = await startApi(t)
  const token = adminToken
  const topics = { publish: ['t/home/alice/#'] }
  const issued = await ask('POST', '/v1/admin/tokens', { token, json: { user: 'alice', topics } })
  const verified = await tokens.verify(issued.body.token)
  t.strictSame(verified.topics, { ...topics, subscribe: [] })
  for (const bad of [{ publish: ['u/bob/msg'] }, { publish: ['#'] }, { read: [] }, 't/#']) {
    const json = { user: 'alice', topics: bad }
    const answer = await ask('POST', '/v1/admin/tokens', { token, json })
    isProblem(t, answer, 400, 'invalid-request')
  }
})

t.test('POST /v1/admin/groups makes a group that its first member owns', async (t) => {
  const { ask, store } = await startApi(t)
  const token = adminToken
  const json = { group: 'team', members: ['bob', 'alice'] }
  const made = await ask('POST', '/v1/admin/groups', { token, json })
  t.equal(made.status, 201)
  t.strictSame(made.body, { conversation: 'g:team', group: 'team', title: '' })
  t.match(await store.membership('g:team', 'bob'), { role: 'owner' })
  isProblem(t, await ask('POST', '/v1/admin/groups', { token, json }), 409, 'group-exists')
  for (const bad of [{ members: ['bob'] }, { group: 'x', members: [] }, { group: 'x' }]) {
    const answer = await ask('POST', '/v1/admin/groups', { token, json: bad })
    isProblem(t, answer, 400, 'invalid-request')
  }
  const unknown = { group: 'x', members: ['nobody'] }
  const answer = await ask('POST', '/v1/admin/groups', { token, json: unknown })
  isProblem(t, answer, 404, 'unknown-user')
})

t.test('GET /healthz says that it is alive, even when it is not ready', async (t) => {
  const { ask } = await startApi(t, { health: () => ({ ready: false, reasons: ['disk full'] }) })
  const answer = await ask('GET', '/healthz')
  t.equal(answer.status, 200)
  t.strictSame(answer.body, { status: 'alive', version: '1.2.3' })
  t.equal((await ask('HEAD', '/healthz')).status, 200)
})

t.test('GET /readyz turns red with the reasons, and green again', async (t) => {
  let reasons: string[] = []
  const { ask } = await startApi(t, { health: () => ({ ready: reasons.length === 0, reasons }) })
  const green = await ask('GET', '/readyz')
  t.equal(green.status, 200)
  t.strictSame(green.body, { status: 'ready' })
  reasons = ['the disk is full']
  const red = await ask('GET', '/readyz')
  isProblem(t, red, 503, 'store-unavailable')
  t.strictSame(red.body.reasons, reasons)
  t.ok(Number(red.headers.get('retry-after')) > 0)
  reasons = []
  t.equal((await ask('GET', '/readyz')).status, 200)
})

t.test('GET /readyz says what is away that can be done without, and stays green', async (t) => {
  const health = () => ({ ready: true, reasons: [], degraded: ['redis'] })
  const { ask } = await startApi(t, { health })
  const answer = await ask('GET', '/readyz')
  t.equal(answer.status, 200)
  t.strictSame(answer.body, { status: 'degraded', reasons: ['redis'] })
})

t.test('GET /.well-known/jwks.json gives the public keys and nothing secret', async (t) => {
  const { ask, tokens } = await startApi(t)
  const answer = await ask('GET', '/.well-known/jwks.json')
  t.equal(answer.status, 200)
  t.strictSame(answer.body, tokens.jwks())
  t.strictSame(Object.keys(answer.body.keys[0]).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x'])
  t.match(answer.headers.get('cache-control'), /public/)
})
