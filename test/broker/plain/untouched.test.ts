// Chat and what aedes keeps in Redis: they do not meet.

import { Redis } from 'ioredis'
import t from 'tap'
import { makePlainBus } from '../../../plugins/aedes-persistence-redis/plain-bus.ts'
import { makeRedisPlainPersistence } from '../../../plugins/aedes-persistence-redis/redis.ts'
import { connectRedis, type RedisUse } from '../../../plugins/redis/connect.ts'
import { makeQuietLogger } from '../../services/delivery/support/devices.ts'
import { requireProgram } from '../../support/programs.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'
import { connectRaw, makeBenchBroker, publish } from '../support/bench-broker.ts'

const limits = {
  messagesMax: 100,
  bytesMax: 100_000,
  bytesInAllMax: 10_000_000,
  retainedMax: 100,
  retainedBytesMax: 100_000,
}
const { skip } = requireProgram('redis-server')

t.test('chat never touches the Redis of plain topics', { skip }, async (t) => {
  const server = await startRedis(t)
  const logger = makeQuietLogger()
  const connect = (use: RedisUse) => connectRedis(server.url, { use, name: use, logger })
  const redis = connect('commands')
  const subscriptions = connect('subscriptions')
  const watch = new Redis(server.url)
  const plainPersistence = makeRedisPlainPersistence({ redis, limits, logger })
  const plainBus = makePlainBus({ commands: redis, subscriptions, logger })
  const { world, port, stored } = await makeBenchBroker(t, {}, { plainPersistence, plainBus })
  t.teardown(() => {
    redis.disconnect()
    subscriptions.disconnect()
    watch.disconnect()
  })
  world.memory.group('town', 'alice')
  const seen: string[] = []
  const monitor = await watch.monitor()
  t.teardown(() => monitor.disconnect())
  monitor.on('monitor', (_time: string, command: string[]) => {
    // Brokers say that they live.
    if (!`${command}`.includes('heartbeat')) seen.push(command.join(' '))
  })
  const alice = await connectRaw(t, port, 'alice', { clean: false })
  await redis.ping()
  await until('what a connection costs was seen', () => seen.some((it) => /^ping/i.test(it)))
  t.ok(seen.length < 10, `a connection costs little: ${seen.join('; ')}`)
  seen.length = 0
  const chat = [{ topic: 'g/town/msg', qos: 1 as const }]
  alice.send({ cmd: 'subscribe', messageId: 1, subscriptions: chat })
  await alice.got('suback')
  for (let index = 1; index <= 50; index++) alice.send(publish('g/town/msg', `m${index}`, index))
  await until('all are stored', () => stored.length === 50)
  await alice.got('puback', 50)
  await redis.ping()
  await until('the end was seen', () => seen.some((it) => /^ping/i.test(it)))
  t.same(seen, ['ping'])

  const open = [{ topic: 't/open', qos: 1 as const }]
  alice.send({ cmd: 'subscribe', messageId: 2, subscriptions: open })
  await alice.got('suback', 2)
  t.ok(seen.length > 1, 'a plain topic is seen here')
})
