// The server under the API: its life, its limits, its headers, the page at /docs, its log.

import { EventEmitter, once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { makeHttp } from '../../../services/http/http.ts'
import { adminToken, makeParts, password, startApi } from './setup.ts'

t.test('it can be made, loaded and closed without listening', async (t) => {
  const { dependencies } = makeParts()
  const api = makeHttp(dependencies)
  await api.ready()
  t.equal(api.server.listening, false)
  await api.close()
  await makeHttp(dependencies).close()
})

t.test('it works without a logger', async (t) => {
  const { ask } = await startApi(t, { logger: false })
  t.equal((await ask('GET', '/healthz')).status, 200)
})

t.test('a port in use is told by the system’s error', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const api = makeHttp(makeParts().dependencies)
  t.teardown(() => api.close())
  const { port } = other.address() as AddressInfo
  await t.rejects(api.listen({ host: '127.0.0.1', port }), { code: 'EADDRINUSE' })
})

t.test('upgrades are left to who listens for them', async (t) => {
  const { api, port } = await startApi(t)
  t.equal(api.server.listenerCount('upgrade'), 0)
  api.server.on('upgrade', (incoming, stream) => {
    // Read, or the end of the socket would not be noticed.
    stream.resume()
    const head = ['HTTP/1.1 101 Switching Protocols', 'connection: Upgrade', 'upgrade: websocket']
    stream.end([...head, `x-path: ${incoming.url}`, '', ''].join('\r\n'))
  })
  const headers = { connection: 'Upgrade', upgrade: 'websocket' }
  const asking = request({ host: '127.0.0.1', port, path: '/mqtt', headers }).end()
  const [answer, socket] = await once(asking, 'upgrade')
  t.match(answer.headers, { 'x-path': '/mqtt' })
  socket.destroy()
})

t.test('close lets an answer under way finish', async (t) => {
  const signals = new EventEmitter()
  const parts = await startApi(t, {
    readLog: async () => {
      const released = once(signals, 'release')
      signals.emit('reading')
      await released
      return []
    },
  })
  await parts.conversations.createGroup({ by: 'alice', group: 'team', members: [] })
  const token = await parts.tokenOf('alice')
  const reading = once(signals, 'reading')
  const answer = parts.ask('GET', '/v1/conversations/g:team/messages', { token })
  await reading
  const closed = parts.api.close()
  signals.emit('release')
  t.equal((await answer).status, 200)
  await closed
  await t.rejects(parts.ask('GET', '/healthz'), 'nothing listens any more')
})

t.test('the page at /docs needs nothing from elsewhere', async (t) => {
  const { ask } = await startApi(t)
  for (const page of ['/docs', '/docs/']) {
    const html = await ask('GET', page)
    t.equal(html.status, 200)
    t.match(html.headers.get('content-type'), /^text\/html/)
    const policy = html.headers.get('content-security-policy') ?? ''
    t.match(policy, /default-src 'none'/)
    t.notMatch(policy, /https?:|\*|upgrade-insecure-requests/, 'the policy names no other host')
    t.notMatch(html.text, /<script(?![^>]* src=)/, 'no inline script, which the policy forbids')
    const links = [...html.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link = '']) => link)
    t.ok(links.length >= 5)
    for (const link of links) {
      const { origin, pathname } = new URL(link, `http://here${page}`)
      t.equal(origin, 'http://here', link)
      const file = await ask('GET', pathname)
      t.equal(file.status, 200, pathname)
      t.ok(file.text.length > 0)
    }
  }
  const initializer = await ask('GET', '/docs/static/swagger-initializer.js')
  t.notMatch(initializer.text, /https?:\/\/(?!stackoverflow)/)
  t.match(initializer.text, /validatorUrl: null|validatorUrl: undefined/)
  const document = await ask('GET', '/docs/json')
  t.strictSame(document.body, (await ask('GET', '/v1/openapi.json')).body)
  t.notSame(await ask('GET', '/docs/static/%2e%2e/package.json').then((a) => a.status), 200)
})

t.test('answers carry headers that keep browsers from mischief', async (t) => {
  const { ask } = await startApi(t)
  for (const path of ['/healthz', '/nothing', '/v1/conversations', '/v1/openapi.json']) {
    const { headers } = await ask('GET', path)
    t.equal(headers.get('x-content-type-options'), 'nosniff')
    t.equal(headers.get('cache-control'), 'no-store')
    t.match(headers.get('content-security-policy'), /default-src 'none'/)
    t.equal(headers.get('server'), null)
    t.equal(headers.get('x-powered-by'), null)
  }
})

t.test('no token and no password is ever logged', async (t) => {
  const failing = { readLog: () => Promise.reject(new Error('bug')) }
  const { ask, log, tokenOf, conversations, store } = await startApi(t, failing)
  const token = await tokenOf('alice')
  await conversations.createGroup({ by: 'alice', group: 'team', members: [] })
  const json = { user: 'dave', password }
  const { body } = await ask('POST', '/v1/auth/register', { json })
  await ask('POST', '/v1/auth/token', { json })
  await ask('GET', '/v1/conversations/g:team/messages', { token })
  await ask('GET', `/v1/conversations?access_token=${token}`)
  await ask('GET', `/v1/conversations/${token}/messages`, { token: `${token}x` })
  await ask('POST', '/v1/admin/tokens', { token: adminToken, json: { user: 'alice' } })
  await ask('POST', '/v1/auth/token', {
    raw: `{"password":"${password}`,
    headers: {
      'content-type': 'application/json',
    },
  })
  store.setFailing(true)
  await ask('GET', '/v1/conversations', { token })
  await ask('POST', '/v1/auth/token', { json })
  const logged = log.join('')
  t.ok(log.length >= 8, 'something was logged')
  for (const secret of [token, body.token, adminToken, password]) {
    t.notOk(logged.includes(secret))
  }
  t.notMatch(logged, /Bearer/)
})

t.test('whoever logs headers by mistake does not log what they authorize with', async (t) => {
  const { log, dependencies } = makeParts()
  const api = makeHttp({
    ...dependencies,
    health: () => {
      throw Object.assign(new Error('bug'), { headers: { authorization: 'Bearer abc' } })
    },
  })
  t.teardown(() => api.close())
  const { port } = await api.listen({ host: '127.0.0.1', port: 0 })
  t.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 500)
  t.match(log.join(''), /bug/)
  t.notMatch(log.join(''), /Bearer abc/)
})
