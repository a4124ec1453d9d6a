// GET /metrics: who may read it.

import t from 'tap'
import type { MetricsAccess } from '../../../services/http/metrics-access.ts'
import { makeMetricsAccess } from '../../../services/http/metrics-access.ts'
import { adminToken, isProblem, startApi } from './setup.ts'

interface Caller {
  readonly remoteAddress?: string
  readonly headers?: Record<string, string>
}

const mayRead = (access: MetricsAccess, { remoteAddress, headers = {} }: Caller) => {
  const request = { headers, socket: { remoteAddress } }
  return makeMetricsAccess(
    access,
    adminToken,
  )(request as unknown as Parameters<ReturnType<typeof makeMetricsAccess>>[0])
}

const near = { remoteAddress: '127.0.0.1' }
const far = { remoteAddress: '192.0.2.7' }
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

const cases: readonly [string, Caller, Record<MetricsAccess, boolean>][] = [
  ['who is on this machine', near, { loopback: true, admin: false, open: true }],
  [
    'who is on this machine, by IPv6',
    { remoteAddress: '::1' },
    { loopback: true, admin: false, open: true },
  ],
  [
    'who is on this machine, by IPv4 in IPv6',
    { remoteAddress: '::ffff:127.0.0.1' },
    { loopback: true, admin: false, open: true },
  ],
  [
    'whom a proxy on this machine speaks for',
    { ...near, headers: { 'x-forwarded-for': '127.0.0.1' } },
    { loopback: false, admin: false, open: true },
  ],
  [
    'whom a proxy on this machine speaks for, by RFC 7239',
    { ...near, headers: { forwarded: 'for=127.0.0.1' } },
    { loopback: false, admin: false, open: true },
  ],
  ['somebody else', far, { loopback: false, admin: false, open: true }],
  [
    'whose address only begins like one of this machine',
    { remoteAddress: '::1:2' },
    { loopback: false, admin: false, open: true },
  ],
  ['a socket that is gone', {}, { loopback: false, admin: false, open: true }],
  [
    "the administrator's token",
    { ...far, ...bearer(adminToken) },
    { loopback: true, admin: true, open: true },
  ],
  [
    'another token',
    { ...far, ...bearer('no-such-token') },
    { loopback: false, admin: false, open: true },
  ],
]

for (const [who, caller, expected] of cases) {
  t.test(`metrics for ${who}`, async (t) => {
    for (const access of ['loopback', 'admin', 'open'] as const) {
      t.equal(mayRead(access, caller), expected[access], access)
    }
  })
}

t.test('who may gets the text, who may not a problem document', async (t) => {
  const metrics = { contentType: 'text/plain; version=0.0.4', text: async () => 'one 1\n' }
  const { ask } = await startApi(t, {
    metrics,
    mayReadMetrics: ({ headers }) => headers['x-may'] === 'yes',
  })
  const answer = await ask('GET', '/metrics', { headers: { 'x-may': 'yes' } })
  t.match(answer, { status: 200, text: 'one 1\n' })
  t.equal(answer.headers.get('content-type'), metrics.contentType)
  isProblem(t, await ask('GET', '/metrics'), 403, 'not-authorized')
})
