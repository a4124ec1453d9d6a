// Connections to a real Redis: one server, Sentinels; Redis Cluster is refused.

import type { Redis } from 'ioredis'
import type { Test } from 'tap'
import t from 'tap'
import type { RedisUse } from '../../../plugins/redis/connect.ts'
import { connectRedis, refuseCluster } from '../../../plugins/redis/connect.ts'
import { freePort } from '../../support/engine-process.ts'
import { requireProgram } from '../../support/programs.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const { skip } = requireProgram('redis-server')

function connect(t: Test, url: string, use: RedisUse = 'commands'): Redis & { logged: string[] } {
  const logged: string[] = []
  const write = (_: object, message: string) => void logged.push(message)
  const logger = { debug: write, info: write, warn: write, error: write }
  const redis = connectRedis(url, { use, name: 'test', logger })
  t.teardown(() => redis.disconnect())
  return Object.assign(redis, { logged })
}

t.test('one server is taken, and so is one that is away', { skip }, async (t) => {
  const { url } = await startRedis(t)
  await t.resolves(refuseCluster(connect(t, url)))
  await t.resolves(refuseCluster(connect(t, `redis://127.0.0.1:${await freePort()}`)))
})

t.test('Redis Cluster is refused, with what to do', { skip }, async (t) => {
  const { url } = await startRedis(t, { configLines: ['cluster-enabled yes'] })
  await t.rejects(refuseCluster(connect(t, url)), {
    name: 'OperatorFault',
    message: /runs as Redis Cluster.*BUS_REDIS_URLS/,
  })
})

t.test(
  'commands fail at once while Redis is away, and work when it is back',
  { skip },
  async (t) => {
    const server = await startRedis(t)
    const redis = connect(t, server.url)
    await until('connected', () => redis.status === 'ready')
    await redis.set('parley:test', '1')
    await server.kill()
    await until('the loss is noticed', () => redis.status === 'reconnecting')
    await t.rejects(redis.set('parley:test', '2'))
    t.same(redis.logged, ['Redis is away'])
    await server.restart()
    await until('connected again', () => redis.status === 'ready')
    t.equal(await redis.get('parley:test'), null, 'what failed was not sent later')
    t.same(redis.logged, ['Redis is away', 'Redis is back'])
  },
)

t.test('a Redis that hangs makes commands time out', { skip }, async (t) => {
  const server = await startRedis(t)
  const redis = connect(t, server.url)
  await until('connected', () => redis.status === 'ready')
  server.pause()
  await t.rejects(redis.get('parley:test'), /timed out/)
  server.resume()
  await until('it answers again', () =>
    redis.get('parley:test').then(
      () => true,
      () => false,
    ),
  )
})

t.test('a connection for what can wait waits', { skip }, async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const redis = connect(t, server.url, 'waiting')
  const answer = redis.ping()
  await server.restart()
  t.equal(await answer, 'PONG')
})
