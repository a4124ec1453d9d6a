// Problem documents: one for each class of error, with its status, headers and nothing secret.

import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { StoreFailure } from '../../../protocol/failure.ts'
import { adminToken, isProblem, password, startApi } from './setup.ts'

t.test('a path that is not there is not found', async (t) => {
  const { ask } = await startApi(t)
  for (const path of [
    '/',
    '/v1',
    '/v1/nothing',
    '/v1/groups/team/nothing',
    '/v1/auth/token/',
    '/docs/nothing',
  ]) {
    isProblem(t, await ask('GET', path), 404, 'not-found')
  }
})

t.test('a known path with another method says which are allowed', async (t) => {
  const { ask } = await startApi(t)
  for (const [method, path, allow] of [
    ['GET', '/v1/auth/token', 'POST'],
    ['DELETE', '/v1/groups', 'POST'],
    ['PATCH', '/v1/groups/team/members/bob', 'DELETE, PUT'],
    ['POST', '/v1/conversations', 'GET, HEAD'],
    ['OPTIONS', '/healthz', 'GET, HEAD'],
  ] as const) {
    const answer = await ask(method, path)
    isProblem(t, answer, 405, 'invalid-request')
    t.equal(answer.headers.get('allow'), allow)
    t.match(answer.body, { type: 'about:blank', title: 'Method Not Allowed' })
  }
})

t.test('malformed JSON is refused', async (t) => {
  const { ask } = await startApi(t)
  for (const raw of ['{', '{"user":}', 'user=alice', '', '\0', '{"__proto__":{"user":"a"}}']) {
    const headers = { 'content-type': 'application/json' }
    const answer = await ask('POST', '/v1/auth/token', { raw, headers })
    isProblem(t, answer, 400, 'invalid-request')
  }
})

t.test('a body of another type than JSON is refused', async (t) => {
  const { ask } = await startApi(t)
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'x',
  ]) {
    const raw = JSON.stringify({ user: 'alice', password })
    const answer = await ask('POST', '/v1/auth/token', { raw, headers: { 'content-type': type } })
    isProblem(t, answer, 415, 'invalid-request')
  }
})

t.test('a body above 64 KiB is refused', async (t) => {
  const { ask } = await startApi(t)
  const raw = JSON.stringify({ user: 'alice', password: 'x'.repeat(65_536) })
  const headers = { 'content-type': 'application/json' }
  isProblem(t, await ask('POST', '/v1/auth/token', { raw, headers }), 413, 'payload-too-large')
  const fits = JSON.stringify({ user: 'alice', password: 'x'.repeat(65_000) })
  const answer = await ask('POST', '/v1/auth/token', { raw: fits, headers })
  isProblem(t, answer, 400, 'invalid-request')
})

t.test('a violation of the schema says where', async (t) => {
  const { ask } = await startApi(t)
  const json = { user: 5, password, extra: 1 }
  const answer = await ask('POST', '/v1/auth/register', { json })
  isProblem(t, answer, 400, 'invalid-request')
  t.match(answer.body, {
    type: 'urn:parley:error:invalid-request',
    title: 'The request breaks the schema.',
  })
  const found = new Map<string, string>()
  for (const error of answer.body.errors) {
    t.equal(error.in, 'body')
    found.set(error.pointer, error.detail)
  }
  t.match(found.get('/user'), /string/)
  t.match(found.get('/extra'), /not a member/)
})

t.test('an answer lists a bounded number of violations, and quotes no values', async (t) => {
  const { ask } = await startApi(t)
  const json = { members: Array(500).fill(7), group: 'ok' }
  const answer = await ask('POST', '/v1/admin/groups', { json, token: adminToken })
  t.ok(answer.body.errors.length <= 10)
  const secret = await ask('POST', '/v1/auth/token', { json: { user: 1, password: 'hunter2!' } })
  t.notMatch(secret.text, 'hunter2!')
})

t.test('a store that is down is 503 with Retry-After, and no word of why', async (t) => {
  const { ask, tokenOf, store, log } = await startApi(t)
  const token = await tokenOf('alice')
  store.setFailing(true)
  for (const [method, path, json, bearer] of [
    ['POST', '/v1/auth/register', { user: 'new', password }, undefined],
    ['POST', '/v1/auth/token', { user: 'alice', password }, undefined],
    ['POST', '/v1/groups', { members: [] }, token],
    ['PUT', '/v1/groups/team/members/bob', undefined, token],
    ['DELETE', '/v1/groups/team/members/bob', undefined, token],
    ['GET', '/v1/conversations', undefined, token],
    ['PATCH', '/v1/groups/team', { title: 'x' }, token],
    ['GET', '/v1/conversations/g:team/receipts', undefined, token],
    ['PUT', '/v1/conversations/g:team/mute', { until: null }, token],
    ['GET', '/v1/unread', undefined, token],
    ['PATCH', '/v1/users/me/settings', {}, token],
    ['GET', '/v1/conversations/g:team/messages', undefined, token],
    ['POST', '/v1/admin/users', { user: 'new' }, adminToken],
    ['POST', '/v1/admin/tokens', { user: 'alice' }, adminToken],
    ['POST', '/v1/admin/groups', { group: 'x', members: ['bob'] }, adminToken],
  ] as const) {
    const answer = await ask(method, path, { json, token: bearer })
    isProblem(t, answer, 503, 'store-unavailable')
    t.ok(Number(answer.headers.get('retry-after')) > 0)
    t.notMatch(answer.text, 'turned the store off')
  }
  t.match(log.join(''), /turned the store off/, 'the operator is told')
  store.setFailing(false)
  t.equal((await ask('GET', '/v1/conversations', { token })).status, 200, 'service resumes')
})

t.test('an unexpected error is 500 without a word about it, and logged', async (t) => {
  const failures: unknown[] = [
    new Error('secret detail'),
    Object.assign(new Error('secret detail'), { statusCode: 418, code: 'ENOENT' }),
    Object.assign(new Error('secret detail'), { statusCode: 404 }),
    'secret detail',
    undefined,
  ]
  let failure: unknown
  const { ask, tokenOf, store, log, conversations } = await startApi(t, {
    readLog: async () => {
      throw failure
    },
  })
  await store.createGroup({ group: 'team', title: '', owner: 'alice', members: [] })
  t.ok(await conversations.membership('g:team', 'alice'))
  const token = await tokenOf('alice')
  for (failure of failures) {
    log.splice(0)
    const answer = await ask('GET', '/v1/conversations/g:team/messages', { token })
    isProblem(t, answer, 500, 'internal')
    t.notMatch(answer.text, /secret detail|stack|at /)
    t.match(log.join(''), /"level":50/)
    t.match(log.join(''), /"route":"\/v1\/conversations\/:conversation\/messages"/)
  }
  failure = new StoreFailure('locked')
  const answer = await ask('GET', '/v1/conversations/g:team/messages', { token })
  isProblem(t, answer, 503, 'store-unavailable')
})

t.test('too many requests from one address are told when to come back', async (t) => {
  const { ask } = await startApi(t, { rateLimits: { register: 2, token: 3 } })
  for (const [path, allowed] of [
    ['/v1/auth/register', 2],
    ['/v1/auth/token', 3],
  ] as const) {
    for (let i = 0; i < allowed; i++) {
      isProblem(t, await ask('POST', path, { json: {} }), 400, 'invalid-request')
    }
    const answer = await ask('POST', path, { json: {} })
    isProblem(t, answer, 429, 'rate-limited')
    const seconds = Number(answer.headers.get('retry-after'))
    t.ok(seconds > 0 && seconds <= 60, `${seconds} s`)
  }
  t.equal((await ask('GET', '/healthz')).status, 200, 'other routes are not counted')
})

t.test('more passwords at once than can be hashed are refused, not queued for ever', async (t) => {
  const { ask } = await startApi(t)
  const json = { user: 'nobody', password }
  const answers = await Promise.all(
    Array.from({ length: 75 }, () => ask('POST', '/v1/auth/token', { json })),
  )
  const refused = answers.filter(({ status }) => status === 429)
  t.ok(refused.length > 0)
  for (const answer of refused) {
    isProblem(t, answer, 429, 'rate-limited')
    t.ok(Number(answer.headers.get('retry-after')) > 0)
  }
  t.equal(answers.filter(({ status }) => status === 401).length, 75 - refused.length)
})

/** Sends bytes on a socket and returns all that comes back until the server closes it. */
async function exchange(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(request)
  return text(socket)
}

t.test('what is not HTTP, and headers that are too long, are refused and cut off', async (t) => {
  const { port } = await startApi(t)
  for (const [request, status] of [
    ['\x10\x10\0\x04MQTT\x04\x02\0\0\0\x04abcd', 400],
    ['GET / HTTP/9.9\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    ['POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n', 400],
  ] as const) {
    const answer = await exchange(port, request)
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    t.match(head, new RegExp(`^HTTP/1.1 ${status} `))
    t.match(head, /content-type: application\/problem\+json/)
    t.match(JSON.parse(body), { status, code: 'invalid-request' })
  }
})

t.test('a URL that cannot be decoded, or is too long, is refused', async (t) => {
  const { ask, port } = await startApi(t)
  const answer = await exchange(
    port,
    'GET /v1/groups/%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
  )
  t.match(answer, /^HTTP\/1.1 400 /)
  t.match(answer, /application\/problem\+json/)
  const long = await ask('GET', `/v1/conversations/g:${'x'.repeat(500)}/messages`)
  isProblem(t, long, 414, 'invalid-request')
})
