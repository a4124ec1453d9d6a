// The engines that tests start: they are real, they can be harmed, and they end with their test.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { Redis } from 'ioredis'
import { MongoClient } from 'mongodb'
import t from 'tap'
import { skipWithoutMongo, startMongo, startReplicaSet } from '../support/mongo.ts'
import { requireProgram } from '../support/programs.ts'
import { startRedis, startReplica, startSentinels } from '../support/redis.ts'
import { startToxiproxy } from '../support/toxiproxy.ts'
import { until } from '../support/until.ts'

const redis = requireProgram('redis-server')
const mongod = requireProgram('mongod')
const toxiproxy = requireProgram('toxiproxy-server')

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

t.test('Redis keeps its data over a kill where it is asked to', { skip: redis.skip }, async (t) => {
  const keeper = await startRedis(t, { appendOnly: true })
  t.equal(await keeper.command('SET', 'parley:x', '1'), '+OK')
  await keeper.kill()
  await t.rejects(keeper.command('PING'))
  await keeper.restart()
  t.equal(await keeper.command('EXISTS', 'parley:x'), ':1')
  await keeper.flush()
  t.equal(await keeper.command('EXISTS', 'parley:x'), ':0')
})

t.test('a paused Redis answers when it goes on', { skip: redis.skip }, async (t) => {
  const paused = await startRedis(t)
  paused.pause()
  let answered = false
  const answer = paused.command('PING').then((line) => {
    answered = true
    return line
  })
  const witness = await startRedis(t)
  t.equal(await witness.command('PING'), '+PONG')
  t.equal(answered, false)
  paused.resume()
  t.equal(await answer, '+PONG')
})

t.test('an engine ends with its test', { skip: redis.skip }, async (t) => {
  let pid = 0
  await t.test('which starts it', async (t) => {
    pid = (await startRedis(t)).pid()
    t.ok(isAlive(pid))
  })
  t.notOk(isAlive(pid))
})

t.test('Sentinels replace a primary that is gone', { skip: redis.skip }, async (t) => {
  const primary = await startRedis(t)
  const replica = await startReplica(t, primary)
  const { primaryPort, sentinels, name } = await startSentinels(t, primary)
  t.equal(await primaryPort(), primary.port)
  const client = new Redis({
    sentinels: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
    name,
    maxRetriesPerRequest: null,
  })
  t.teardown(() => client.disconnect())
  client.on('error', () => {})
  await client.set('parley:x', '1')
  await until(
    'the replica has it',
    async () => (await replica.command('EXISTS', 'parley:x')) === ':1',
  )
  await primary.kill()
  await until(
    'the replica is the primary',
    async () => (await primaryPort()) === replica.port,
    30_000,
  )
  t.equal(await client.get('parley:x'), '1')
})

t.test('each fresh database is empty', { skip: skipWithoutMongo() }, async (t) => {
  const mongo = await startMongo(t)
  for (let count = 0; count < 2; count++) {
    const client = new MongoClient(mongo.freshDatabase())
    const messages = client.db().collection('messages')
    t.equal(await messages.countDocuments(), 0)
    await messages.insertOne({ text: 'x' }, { writeConcern: { w: 'majority', journal: true } })
    await client.close()
  }
})

t.test('another member takes over from a primary', { skip: mongod.skip }, async (t) => {
  const set = await startReplicaSet(t, { members: 3 })
  const client = new MongoClient(set.freshDatabase())
  t.teardown(() => client.close())
  const messages = client.db().collection<{ _id: number }>('messages')
  const majority = { writeConcern: { w: 'majority', journal: true } } as const
  await messages.insertOne({ _id: 1 }, majority)
  const first = await set.primary()
  await first.kill()
  const second = await set.primary()
  t.not(second.port, first.port)
  await messages.insertOne({ _id: 2 }, majority)
  await first.restart()
  second.pause()
  const third = await set.primary()
  t.not(third.port, second.port)
  second.resume()
  await set.stepDown()
  t.not((await set.primary()).port, third.port)
  t.equal(await messages.countDocuments(), 2)
})

t.test(
  'a proxy is slow, silent or cuts, until it is healed',
  { skip: toxiproxy.skip },
  async (t) => {
    const echo = createServer((socket) => void socket.on('error', () => {}).pipe(socket))
    echo.listen(0, '127.0.0.1')
    await once(echo, 'listening')
    t.teardown(() => void echo.close())
    const toxic = await startToxiproxy(t)
    const proxy = await toxic.proxy('echo', (echo.address() as { port: number }).port)

    const say = async (word: string) => {
      const socket = connect({ port: proxy.port, host: '127.0.0.1' })
      const since = Date.now()
      try {
        socket.write(word)
        socket.setTimeout(500, () => socket.destroy(new Error('silent')))
        const [chunk] = await once(socket, 'data', { signal: AbortSignal.timeout(5000) })
        return { word: `${chunk}`, ms: Date.now() - since }
      } finally {
        socket.destroy()
      }
    }

    t.match(await say('a'), { word: 'a' })
    await proxy.latency(200)
    t.ok((await say('b')).ms >= 200)
    await proxy.silence()
    await t.rejects(say('c'), /silent/)
    await proxy.heal()
    await proxy.reset()
    await t.rejects(say('d'))
    await proxy.heal()
    await proxy.enabled(false)
    await t.rejects(say('e'), { code: 'ECONNREFUSED' })
    await proxy.heal()
    t.match(await say('f'), { word: 'f' })
  },
)
