// A cluster as an operator runs it: `cluster init`, servers that share MongoDB and Redis, commands
// that need no data folder, and devices at two servers that hear of what is done.

import t from 'tap'
import { connectDevice } from '../support/chat-client.ts'
import { skipWithoutMongo, startMongo } from '../support/mongo.ts'
import { requireProgram } from '../support/programs.ts'
import { startRedis } from '../support/redis.ts'
import { adminToken } from '../support/server.ts'
import { until } from '../support/until.ts'
import { runParley, startServer } from './parley.ts'

const skip = skipWithoutMongo() || requireProgram('redis-server').skip

t.test('one URL without the other starts nothing', async (t) => {
  const environment = { REDIS_URL: 'redis://127.0.0.1:1' }
  const { code, stderr } = await runParley(t, ['serve'], { cwd: t.testdir(), environment })
  t.equal(code, 1)
  t.match(stderr, /MONGODB_URL and REDIS_URL go together/)
})

t.test('two servers are one', { skip }, async (t) => {
  const mongo = await startMongo(t)
  const redis = await startRedis(t, { appendOnly: true })
  const environment = {
    MONGODB_URL: mongo.freshDatabase(),
    REDIS_URL: redis.url,
    PARLEY_ADMIN_TOKEN: adminToken,
  }
  const cwd = t.testdir()
  const run = async (...words: readonly string[]) => {
    const outcome = await runParley(t, words, { cwd, environment })
    t.equal(outcome.code, 0, `${words.join(' ')} ${outcome.stderr}`)
    return outcome.stdout.trim()
  }

  await run('cluster', 'init')
  await run('cluster', 'init')
  const [first, second] = await Promise.all([
    startServer(t, { cwd, environment }, ['--data', 'one']),
    startServer(t, { cwd, environment }, ['--data', 'two']),
  ])
  await run('user', 'add', 'alice')
  await run('user', 'add', 'bob')
  const token = (user: string) => run('token', user)
  const alice = await connectDevice(t, { ...first, token }, { user: 'alice', id: 'phone' })
  const bob = await connectDevice(t, { ...second, token }, { user: 'bob', id: 'phone' })
  for (const { mqtt } of [alice, bob]) await mqtt.subscribeAsync(['u/+/event', 'g/+/msg'].slice(1))
  await bob.mqtt.subscribeAsync('u/bob/#')

  await t.test('a message to who is at the other server', async () => {
    await alice.mqtt.publishAsync('u/bob/msg', 'across', { qos: 1 })
    await until('bob has it', () => bob.texts('u/bob/msg').includes('across'))
  })

  await t.test('who is joined to a group by a command hears of it, and in it', async () => {
    await run('group', 'add', 'town', '--members', 'alice,bob')
    await until('bob has joined', () => bob.received.some((it) => it.json.type === 'joined'))
    await alice.mqtt.publishAsync('g/town/msg', 'all of you', { qos: 1 })
    await until('bob has it', () => bob.texts('g/town/msg').includes('all of you'))
  })

  await t.test('a device that comes to the other server leaves the first', async (t) => {
    const closed = new Promise<void>((resolve) => bob.mqtt.once('close', () => resolve()))
    const again = await connectDevice(t, { ...first, token }, { user: 'bob', id: 'phone' })
    await closed
    t.ok(again.sessionPresent)
    await alice.mqtt.publishAsync('u/bob/msg', 'over there?', { qos: 1 })
    await until('it has it', () => again.texts('u/bob/msg').includes('over there?'))
    t.same(again.texts('u/bob/msg'), ['over there?'], 'and nothing of before')
  })
})
