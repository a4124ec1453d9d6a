// Administration over HTTP, against a listener that answers what it is told: which requests go out,
// and what becomes of the answers.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { Test } from 'tap'
import t from 'tap'
import { isAnswering, makeRemoteAdministration } from '../../cli/remote-administration.ts'
import { loadSettings } from '../../config/load.ts'

interface Answer {
  readonly status: number
  readonly body: unknown
}

async function listen(t: Test, answer: Answer) {
  const requests: { line: string; authorization: string | undefined; body: unknown }[] = []
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request
    const body = method === 'POST' ? await json(request) : undefined
    requests.push({ line: `${method} ${url}`, authorization: headers.authorization, body })
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

function settingsWith(data: string, environment: Record<string, string> = {}) {
  return loadSettings({ flags: { data }, environment, readFile: () => '' }).settings
}

const adminToken = 'a-token-that-is-long'

t.test('each operation is its request, with the admin token', async (t) => {
  const { url, requests } = await listen(t, { status: 201, body: { token: 'x', expiresAt: 9 } })
  const settings = settingsWith('.', { PARLEY_ADMIN_TOKEN: adminToken })
  const administration = makeRemoteAdministration(url, settings)
  await administration.addUser('alice', undefined)
  await administration.addUser('bob', 'secret word')
  t.same(await administration.issueToken('alice', 60), { token: 'x', expiresAt: 9 })
  const topics = { publish: ['t/a'], subscribe: [] }
  await administration.issueToken('alice', undefined, topics)
  await administration.addGroup({ group: 'team', title: undefined, members: ['alice', 'bob'] })
  const authorization = `Bearer ${adminToken}`
  t.same(requests, [
    { line: 'POST /v1/admin/users', authorization, body: { user: 'alice' } },
    {
      line: 'POST /v1/admin/users',
      authorization,
      body: { user: 'bob', password: 'secret word' },
    },
    { line: 'POST /v1/admin/tokens', authorization, body: { user: 'alice', ttlSeconds: 60 } },
    { line: 'POST /v1/admin/tokens', authorization, body: { user: 'alice', topics } },
    {
      line: 'POST /v1/admin/groups',
      authorization,
      body: { group: 'team', members: ['alice', 'bob'] },
    },
  ])
})

t.test('without a configured admin token, that of the data folder is used', async (t) => {
  const { url, requests } = await listen(t, { status: 201, body: {} })
  const folder = t.testdir({ 'admin-token': 'of-the-folder\n' })
  await makeRemoteAdministration(url, settingsWith(folder)).addUser('alice', undefined)
  t.equal(requests[0]?.authorization, 'Bearer of-the-folder')
  t.throws(() => makeRemoteAdministration(url, settingsWith(t.testdir())), {
    name: 'CommandFailure',
    message: /PARLEY_ADMIN_TOKEN/,
  })
})

t.test('an error answer becomes a refusal or a line that says what to do', async (t) => {
  const settings = settingsWith('.', { PARLEY_ADMIN_TOKEN: adminToken })
  const errors = [{ in: 'body', pointer: '/password', detail: 'must be longer' }]
  const answers: readonly (readonly [Answer, object])[] = [
    [
      { status: 409, body: { code: 'user-exists', detail: 'alice is there' } },
      { name: 'Refusal', code: 'user-exists', message: 'alice is there' },
    ],
    [
      { status: 404, body: { code: 'unknown-user' } },
      { name: 'Refusal', code: 'unknown-user', message: 'There is no such user.' },
    ],
    [
      { status: 400, body: { code: 'invalid-request', errors } },
      { name: 'Refusal', message: 'the server refused the request: /password must be longer' },
    ],
    [{ status: 401, body: { code: 'invalid-token' } }, { message: /refused the admin token/ }],
    [{ status: 403, body: { code: 'not-authorized' } }, { message: /refused the admin token/ }],
    [
      { status: 502, body: '<html>' },
      { name: 'CommandFailure', message: /HTTP status 502/ },
    ],
    [{ status: 418, body: { code: 'toString' } }, { message: /HTTP status 418/ }],
    [
      { status: 200, body: {} },
      { name: 'CommandFailure', message: /without a token/ },
    ],
  ]
  for (const [answer, expected] of answers) {
    const { url } = await listen(t, answer)
    const administration = makeRemoteAdministration(url, settings)
    const outcome = await administration.issueToken('alice', undefined).catch((error) => error)
    t.match(outcome, { ...expected, token: undefined })
  }
})

t.test('a server answers only if it says that it is healthy', async (t) => {
  t.equal(await isAnswering((await listen(t, { status: 200, body: {} })).url), true)
  t.equal(await isAnswering((await listen(t, { status: 404, body: {} })).url), false)
  t.equal(await isAnswering('http://127.0.0.1:1'), false)
})
