// A server that stops, seen by its clients and by who looks whether it is ready.

import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { connectRaw, type RawClient } from '../support/raw-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const clean = { clean: true }

/** A crowd, in the order of its coming. */
async function makeCrowd(t: Test, server: TestServer, size: number): Promise<RawClient[]> {
  const crowd: RawClient[] = []
  for (let index = 0; index < size; index++) {
    crowd.push(await connectRaw(t, server, { user: 'alice', id: `phone-${index}` }, clean))
  }
  return crowd
}

const isRefused = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => socket.destroy())
    socket.once('close', (hadError) => resolve(hadError))
    socket.once('error', () => {})
  })

t.test('clients are sent away one after the other, and served until then', async (t) => {
  const server = await startTestServer(t, {
    drainClientsPerSecond: '40',
    drainTimeoutMs: '60000',
  })
  const crowd = await makeCrowd(t, server, 60)
  const leftAt = new Map<number, number>()
  const startedAt = Date.now()
  crowd.forEach(({ stream }, index) => {
    stream.once('end', () => leftAt.set(index, Date.now() - startedAt))
  })
  const closed = server.close()
  await until('the first is away', () => leftAt.size > 0)
  const { status, json } = await server.request('GET', '/readyz')
  t.equal(status, 503, '/readyz')
  t.match(json, { reasons: ['the server stops'] })
  t.ok(await isRefused(server.mqttPort), 'nobody comes in')
  const last = crowd.find(({ isClosed }) => !isClosed())
  last?.send({ cmd: 'pingreq' })
  await last?.wait('pingresp')
  await closed
  await until('all are away', () => leftAt.size === crowd.length)
  const times = [...leftAt.values()]
  t.ok(Math.max(...times) > 1000, `1500 ms at 40 a second: ${Math.max(...times)}`)
  const early = times.filter((ms) => ms < 300).length
  t.ok(early < 30, `${early} of 60 in the first 300 ms`)
  const order = [...leftAt.keys()]
  t.notSame(
    order,
    [...order].sort((one, other) => one - other),
    'not in the order of their coming',
  )
})

t.test('when there is not the time for it, they are sent away more quickly', async (t) => {
  const server = await startTestServer(t, { drainClientsPerSecond: '1', drainTimeoutMs: '500' })
  const crowd = await makeCrowd(t, server, 20)
  const startedAt = Date.now()
  await server.close()
  t.ok(Date.now() - startedAt < 3000, `${Date.now() - startedAt} ms`)
  await until('all are away', () => crowd.every(({ isClosed }) => isClosed()))
})

t.test('a few clients are sent away at once', async (t) => {
  const server = await startTestServer(t)
  await makeCrowd(t, server, 3)
  const startedAt = Date.now()
  await server.close()
  t.ok(Date.now() - startedAt < 1000, `${Date.now() - startedAt} ms`)
})

t.test('a client of MQTT 5 is told to use another server', async (t) => {
  const server = await startTestServer(t)
  const client = await connectRaw(t, server, { user: 'alice', id: 'phone', level: 5 }, clean)
  await server.close()
  const [disconnect] = await client.wait('disconnect')
  t.equal(disconnect?.reasonCode, 0x9c)
})

t.test('for the time of drainDelayMs clients still come in, and /readyz says 503', async (t) => {
  const server = await startTestServer(t, { drainDelayMs: '1500' })
  const token = await server.token('alice')
  const startedAt = Date.now()
  const closed = server.close()
  const { status } = await server.request('GET', '/readyz')
  t.equal(status, 503)
  const password = Buffer.from(token)
  const client = await connectRaw(t, server, { user: 'alice', id: 'late' }, { ...clean, password })
  await closed
  t.ok(Date.now() - startedAt >= 1490)
  await client.closed()
})
