// The bus on a real Redis: who hears what, and what becomes of it while Redis is away.

import { Redis } from 'ioredis'
import type { Test } from 'tap'
import t from 'tap'
import { makeRedisBus } from '../../../plugins/bus-redis/bus.ts'
import { makeShardOf } from '../../../plugins/bus-redis/shards.ts'
import { connectRedis } from '../../../plugins/redis/connect.ts'
import type { Bus } from '../../../services/bus/ports.ts'
import { requireProgram } from '../../support/programs.ts'
import { startRedis, startReplica, startSentinels } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const { skip } = requireProgram('redis-server')
const logger = { debug() {}, info() {}, warn() {}, error() {} }

interface TestBus extends Bus {
  /** What came in, as `channel text`. */
  readonly heard: string[]
}

async function startBus(t: Test, ...urls: readonly string[]): Promise<TestBus> {
  const servers = urls.map((url) => ({
    commands: connectRedis(url, { use: 'commands', name: 'test', logger }),
    subscriptions: connectRedis(url, { use: 'bus', name: 'test', logger }),
  }))
  const bus = makeRedisBus(servers, logger)
  t.teardown(async () => {
    await bus.close()
    for (const { commands, subscriptions } of servers) {
      commands.disconnect()
      subscriptions.disconnect()
    }
  })
  const heard: string[] = []
  bus.onText((channel, text) => heard.push(`${channel} ${text}`))
  await until('the bus is up', bus.isUp)
  return { ...bus, heard }
}

t.test(
  'what is emitted reaches those who listen, in order, and not oneself',
  { skip },
  async (t) => {
    const { url } = await startRedis(t)
    const [one, two] = [await startBus(t, url), await startBus(t, url)]
    await Promise.all([one.listen('c/1'), two.listen('c/1'), two.listen('u/bob')])
    const expected: string[] = []
    for (let n = 0; n < 2000; n++) {
      one.emit('c/1', `täxt ${n}`)
      expected.push(`c/1 täxt ${n}`)
    }
    one.emit('u/alice', 'unheard')
    two.emit('c/1', 'from two')
    await until('both heard', () => two.heard.length === 2000 && one.heard.length === 1)
    t.same(two.heard, expected)
    t.same(one.heard, ['c/1 from two'])
    t.match(one.counts(), { emitted: 2001, dropped: 0, received: 1 })
  },
)

t.test('who does not listen any more hears nothing more', { skip }, async (t) => {
  const { url } = await startRedis(t)
  const [one, two] = [await startBus(t, url), await startBus(t, url)]
  await two.listen('c/1')
  await two.listen('c/2')
  two.unlisten('c/1')
  two.unlisten('c/2')
  await two.listen('c/2')
  one.emit('c/1', 'no')
  one.emit('c/2', 'yes')
  await until('it is heard', () => two.heard.length > 0)
  t.same(two.heard, ['c/2 yes'])
})

t.test(
  'while Redis is away all is dropped, and when it is back all is as before',
  { skip },
  async (t) => {
    const redis = await startRedis(t)
    const [one, two] = [await startBus(t, redis.url), await startBus(t, redis.url)]
    await two.listen('c/1')
    let ups = 0
    two.onUp(() => ups++)
    await redis.kill()
    await until('it is noticed', () => !one.isUp() && !two.isUp())
    one.emit('c/1', 'lost')
    await two.listen('c/2')
    two.unlisten('c/1')
    await two.listen('c/1')
    await redis.restart()
    await until('they are up again', () => one.isUp() && two.isUp())
    t.equal(ups, 1)
    t.equal(one.counts().dropped, 1)
    one.emit('c/1', 'known before')
    one.emit('c/2', 'new')
    await until('both are heard', () => two.heard.length === 2)
    t.same(two.heard, ['c/1 known before', 'c/2 new'])
  },
)

t.test('a Redis that hangs is noticed, and drops what is too much', { skip }, async (t) => {
  const redis = await startRedis(t)
  const [one, two] = [await startBus(t, redis.url), await startBus(t, redis.url)]
  await two.listen('c/1')
  redis.pause()
  const megabyte = 'x'.repeat(1_000_000)
  for (let n = 0; n < 30; n++) {
    one.emit('c/1', megabyte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until('it is noticed', () => !one.isUp())
  t.ok(one.counts().dropped >= 10, 'more than some is not kept')
  redis.resume()
  await until('they are up again', () => one.isUp() && two.isUp())
  one.emit('c/1', 'after')
  await until('it is heard', () => two.heard.at(-1) === 'c/1 after')
})

t.test('what others write to the channels harms nobody', { skip }, async (t) => {
  const { url } = await startRedis(t)
  const [one, two] = [await startBus(t, url), await startBus(t, url)]
  await two.listen('c/1')
  const stranger = new Redis(url)
  t.teardown(() => stranger.disconnect())
  for (const text of ['', 'x', '{"id":1}', '\xc1\xff', '\x81']) {
    await stranger.publish('parley:c/1', Buffer.from(text, 'latin1'))
  }
  one.emit('c/1', 'fine')
  await until('it is heard', () => two.heard.includes('c/1 fine'))
  t.same(two.heard, ['c/1 fine'])
})

t.test(
  'several Redis share the channels, whatever the order of their list',
  { skip },
  async (t) => {
    const [a, b] = [await startRedis(t), await startRedis(t)]
    const [one, two] = [await startBus(t, a.url, b.url), await startBus(t, b.url, a.url)]
    const channels = Array.from({ length: 100 }, (_, n) => `c/${n}`)
    await Promise.all(channels.map((channel) => two.listen(channel)))
    for (const channel of channels) one.emit(channel, 'text')
    await until('all are heard', () => two.heard.length === 100)
    await b.kill()
    await until('it is noticed', () => !one.isUp())
    for (const channel of channels) one.emit(channel, 'again')
    await until('the other half is heard', () => two.heard.length + one.counts().dropped === 200)
    t.ok(one.counts().dropped > 25 && one.counts().dropped < 75)
  },
)

t.test('one server more moves only its share of the channels', async (t) => {
  const names = ['one:1', 'two:2', 'three:3', 'four:4']
  const before = makeShardOf(names)
  const after = makeShardOf([...names, 'five:5'])
  const counts = [0, 0, 0, 0, 0]
  for (let n = 0; n < 10_000; n++) {
    const channel = `c/d:${n}`
    const shard = after(channel)
    counts[shard] = (counts[shard] ?? 0) + 1
    if (shard !== 4 && shard !== before(channel)) t.fail('moved between old ones')
  }
  t.ok(
    counts.every((count) => count > 1700 && count < 2300),
    counts.join(),
  )
})

t.test(
  'after a fail-over of Sentinel the bus works again',
  { skip, timeout: 90_000 },
  async (t) => {
    const primary = await startRedis(t)
    const replica = await startReplica(t, primary)
    const { url, primaryPort } = await startSentinels(t, primary)
    await until('Sentinel knows the replica', async () =>
      (await replica.command('INFO', 'replication')).startsWith('$'),
    )
    const [one, two] = [await startBus(t, url), await startBus(t, url)]
    await two.listen('c/1')
    one.emit('c/1', 'before')
    await until('it is heard', () => two.heard.length === 1)
    let ups = 0
    two.onUp(() => ups++)
    await primary.kill()
    await until('it is noticed', () => !one.isUp() && !two.isUp())
    await until(
      'the replica is the primary',
      async () => (await primaryPort()) === replica.port,
      40_000,
    )
    await until('they are up again', () => one.isUp() && two.isUp(), 20_000)
    one.emit('c/1', 'after')
    await until('it is heard', () => two.heard.length === 2)
    t.same(two.heard, ['c/1 before', 'c/1 after'])
    t.ok(ups > 0, 'what was missed is compared')
  },
)
