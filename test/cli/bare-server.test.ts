// The HTTP server of a process without an API.

import t from 'tap'
import { makeBareServer } from '../../cli/bare-server.ts'
import type { Health } from '../../services/http/dependencies.ts'

async function start(t: Tap, health: () => Health, mayRead = true) {
  const metrics = { contentType: 'text/plain', text: async () => 'parley_up 1\n' }
  const parts = { metrics, mayReadMetrics: () => mayRead, health, version: '1.2.3' }
  const server = makeBareServer(parts)
  t.teardown(() => server.close())
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  return async (path: string, method = 'GET') => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method })
    return { status: answer.status, text: await answer.text() }
  }
}

type Tap = { teardown(work: () => Promise<void> | void): void }

const fine: Health = { ready: true, reasons: [] }

t.test('it says that it is alive, and what it is', async (t) => {
  const ask = await start(t, () => fine)
  t.same(await ask('/healthz'), { status: 200, text: '{"status":"alive","version":"1.2.3"}' })
  t.equal((await ask('/healthz', 'HEAD')).status, 200)
})

t.test('it says whether it is ready, and what is away', async (t) => {
  let health = fine
  const ask = await start(t, () => health)
  t.same(await ask('/readyz'), { status: 200, text: '{"status":"ready"}' })
  health = { ...fine, degraded: ['redis'] }
  t.same(await ask('/readyz'), { status: 200, text: '{"status":"degraded","reasons":["redis"]}' })
  health = { ready: false, reasons: ['the store fails'] }
  const text = '{"status":"unready","reasons":["the store fails"]}'
  t.same(await ask('/readyz'), { status: 503, text })
})

t.test('metrics are for who may read them, and there is nothing else', async (t) => {
  t.same(await (await start(t, () => fine))('/metrics'), { status: 200, text: 'parley_up 1\n' })
  const ask = await start(t, () => fine, false)
  t.equal((await ask('/metrics')).status, 403)
  t.equal((await ask('/v1/conversations')).status, 404)
  t.equal((await ask('/readyz', 'POST')).status, 404)
})
