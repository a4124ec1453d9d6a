// The authorization table of the HTTP API: every role on every route.

import t from 'tap'
import { adminToken, isProblem, password, startApi } from './setup.ts'

type Who = 'anonymous' | 'outsider' | 'member' | 'admin' | 'owner' | 'administrator'
const everyone: readonly Who[] = [
  'anonymous',
  'outsider',
  'member',
  'admin',
  'owner',
  'administrator',
]

/** Expected status by role, in the order of `everyone`: anonymous, user outside the group, member,
 * admin and owner of the group, bearer of the administrator's token. */
const table: readonly (readonly [string, string, unknown, readonly number[]])[] = [
  ['POST', '/v1/auth/register', { user: 'new', password }, [201, 201, 201, 201, 201, 201]],
  ['POST', '/v1/auth/token', { user: 'alice', password: 'no' }, [401, 401, 401, 401, 401, 401]],
  ['POST', '/v1/groups', { members: [] }, [401, 201, 201, 201, 201, 401]],
  ['PUT', '/v1/groups/team/members/newcomer', undefined, [401, 404, 403, 204, 204, 401]],
  ['DELETE', '/v1/groups/team/members/other', undefined, [401, 404, 403, 204, 204, 401]],
  ['DELETE', '/v1/groups/team/members/second', undefined, [401, 404, 403, 403, 204, 401]],
  ['PUT', '/v1/groups/none/members/newcomer', undefined, [401, 404, 404, 404, 404, 401]],
  ['GET', '/v1/conversations', undefined, [401, 200, 200, 200, 200, 401]],
  ['GET', '/v1/conversations/g:team/messages', undefined, [401, 404, 200, 200, 200, 401]],
  ['GET', '/v1/conversations/g:none/messages', undefined, [401, 404, 404, 404, 404, 401]],
  ['PATCH', '/v1/groups/team', { title: 'Us' }, [401, 404, 403, 200, 200, 401]],
  ['PATCH', '/v1/groups/none', { title: 'Us' }, [401, 404, 404, 404, 404, 401]],
  ['GET', '/v1/conversations/g:team/receipts', undefined, [401, 404, 200, 200, 200, 401]],
  ['GET', '/v1/conversations/g:none/receipts', undefined, [401, 404, 404, 404, 404, 401]],
  ['PUT', '/v1/conversations/g:team/mute', { until: null }, [401, 404, 204, 204, 204, 401]],
  ['PUT', '/v1/conversations/g:none/mute', { until: null }, [401, 404, 404, 404, 404, 401]],
  ['GET', '/v1/unread', undefined, [401, 200, 200, 200, 200, 401]],
  ['GET', '/v1/users/me/settings', undefined, [401, 200, 200, 200, 200, 401]],
  ['PATCH', '/v1/users/me/settings', { readReceipts: 'nobody' }, [401, 200, 200, 200, 200, 401]],
  ['POST', '/v1/admin/users', { user: 'new' }, [401, 403, 403, 403, 403, 201]],
  ['POST', '/v1/admin/tokens', { user: 'other' }, [401, 403, 403, 403, 403, 201]],
  [
    'POST',
    '/v1/admin/groups',
    { group: 'new', members: ['other'] },
    [401, 403, 403, 403, 403, 201],
  ],
  ['GET', '/healthz', undefined, [200, 200, 200, 200, 200, 200]],
  ['GET', '/readyz', undefined, [200, 200, 200, 200, 200, 200]],
  ['GET', '/.well-known/jwks.json', undefined, [200, 200, 200, 200, 200, 200]],
  ['GET', '/v1/openapi.json', undefined, [200, 200, 200, 200, 200, 200]],
  ['GET', '/docs', undefined, [200, 200, 200, 200, 200, 200]],
]

/** A group of owner and second (owners), admin, member and other; outsider is not in it. */
async function start(t: Parameters<typeof startApi>[0]) {
  const parts = await startApi(t)
  const { store, conversations, tokenOf } = parts
  for (const user of ['outsider', 'member', 'admin', 'owner', 'second', 'other', 'newcomer']) {
    await store.createUser(user, undefined)
  }
  const members = ['member', 'admin', 'second', 'other']
  await conversations.createGroup({ by: 'owner', group: 'team', members })
  store.setRole('team', 'admin', 'admin')
  store.setRole('team', 'second', 'owner')
  const tokenFor = async (who: Who) => {
    if (who === 'anonymous') return undefined
    return who === 'administrator' ? adminToken : tokenOf(who)
  }
  return { ...parts, tokenFor }
}

for (const [method, path, json, statuses] of table) {
  t.test(`${method} ${path} ${JSON.stringify(json) ?? ''}`, async (t) => {
    for (const [index, who] of everyone.entries()) {
      // A new server for each cell: what one role changed must not help the next.
      const { ask, tokenFor } = await start(t)
      const answer = await ask(method, path, { json, token: await tokenFor(who) })
      t.equal(answer.status, statuses[index], `${who}: ${answer.text.slice(0, 80)}`)
    }
  })
}

t.test('the table has every route of the API', async (t) => {
  const { ask } = await startApi(t)
  const { paths } = (await ask('GET', '/v1/openapi.json')).body
  for (const [path, item] of Object.entries<object>(paths)) {
    const pattern = new RegExp(`^${path.replace('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`)
    for (const method of Object.keys(item)) {
      const isThere = table.some(
        ([verb, example]) => verb === method.toUpperCase() && pattern.test(example),
      )
      t.ok(isThere, `${method} ${path}`)
    }
  }
})

t.test('a token that is not valid is refused on each guarded route', async (t) => {
  const { ask, tokenOf, time } = await startApi(t)
  const token = await tokenOf('alice')
  time.now += 3_600_000
  for (const [method, path, json, [anonymous, user]] of table) {
    if (anonymous !== 401 || user === 401) continue
    const answer = await ask(method, path, { json, token })
    isProblem(t, answer, 401, 'invalid-token')
    t.match(answer.headers.get('www-authenticate'), /^Bearer .*error="invalid_token"/)
  }
})

t.test('only the exact header Authorization: Bearer is taken', async (t) => {
  const { ask, tokenOf } = await startApi(t)
  const token = await tokenOf('alice')
  for (const authorization of [
    token,
    `Basic ${token}`,
    `Bearer${token}`,
    'Bearer',
    'Bearer ',
    `Bearer ${token} x`,
    `Bearer "${token}"`,
  ]) {
    const answer = await ask('GET', '/v1/conversations', { headers: { authorization } })
    isProblem(t, answer, 401, 'invalid-token')
  }
  const inQuery = await ask('GET', `/v1/conversations?access_token=${token}`)
  isProblem(t, inQuery, 401, 'invalid-token')
  const lowerCase = { headers: { authorization: `bearer ${token}` } }
  t.equal((await ask('GET', '/v1/conversations', lowerCase)).status, 200)
})

t.test('who is nobody is told so before the body is read', async (t) => {
  const { ask } = await startApi(t)
  const answer = await ask('POST', '/v1/groups', { json: 'not even an object' })
  isProblem(t, answer, 401, 'invalid-token')
})

t.test('a part or an extension of the administrator’s token is not it', async (t) => {
  const { ask } = await startApi(t)
  for (const token of [adminToken.slice(0, -1), `${adminToken}x`, adminToken.toUpperCase()]) {
    const answer = await ask('POST', '/v1/admin/users', { json: { user: 'new' }, token })
    isProblem(t, answer, 401, 'invalid-token')
  }
})
