// Write-once positions on real engines: three appenders and three readers of one log, on Redis that
// is killed, paused and emptied, and MongoDB whose primary is killed, paused and changed.
//
// PARLEY_CHAOS_SEED=n repeats the faults of a run, PARLEY_CHAOS_SECONDS=120 makes it longer.

import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startReplicaSet } from '../support/mongo.ts'
import { skipWithout } from '../support/programs.ts'
import { startRedis } from '../support/redis.ts'
import { startToxiproxy, type TestProxy } from '../support/toxiproxy.ts'
import { checkRun, countVoids, type Run } from './checker.ts'
import { befall } from './cluster/faults.ts'
import { follow, makeAppender, makeLogPublisher } from './cluster/log-world.ts'
import { makePlan } from './cluster/plan.ts'
import { makeRandom } from './random.ts'

const seed = Number(process.env.PARLEY_CHAOS_SEED ?? randomInt(2 ** 31))
const runMs = Number(process.env.PARLEY_CHAOS_SECONDS ?? 25) * 1000
const skip = skipWithout('mongod', 'redis-server', 'toxiproxy-server')
const conversations = ['g:one', 'g:two', 'g:three', 'g:four']
const publishersEach = 4

t.setTimeout(runMs + 120_000)

t.test('positions are written once on real engines that fail', { skip }, async (t) => {
  t.comment(`PARLEY_CHAOS_SEED=${seed}`)
  const toxiproxy = await startToxiproxy(t)
  const redis = await startRedis(t, { appendOnly: true })
  const mongoProxies: TestProxy[] = []
  const mongo = await startReplicaSet(t, {
    members: 3,
    announce: async (port, index) => {
      const proxy = await toxiproxy.proxy(`mongo ${index}`, port)
      mongoProxies[index] = proxy
      return proxy.port
    },
  })
  const urls = { mongodbUrl: mongo.freshDatabase(), redisUrl: redis.url }
  const appenders = [await makeAppender(t, urls), await makeAppender(t, urls)]
  appenders.push(await makeAppender(t, urls))
  const random = makeRandom(seed)
  const begin = Date.now()
  const isOver = () => Date.now() > begin + runMs
  const publishers = conversations.flatMap((conversation) =>
    Array.from({ length: publishersEach }, (_, n) =>
      makeLogPublisher({
        from: `${conversation.slice(2)}${n}`,
        conversation,
        appenders,
        random,
        isOver,
      }),
    ),
  )
  let isSettled = false
  const following = appenders.map(async (reader, index) => ({
    device: `reader ${index}`,
    conversations,
    connections: [
      (await Promise.all(conversations.map((it) => follow(reader, it, () => isSettled)))).flat(),
    ],
  }))
  const plan = makePlan(seed, runMs).filter(({ target }) => !target.startsWith('broker'))
  const faults = plan.map(async (fault) => {
    await sleep(fault.atMs)
    t.comment(`${((Date.now() - begin) / 1000).toFixed(1)} s: ${fault.kind} (${fault.forMs} ms)`)
    await befall({ brokers: [], redis, mongo, mongoProxies }, fault)
  })
  await Promise.all([...faults, ...publishers.map((it) => it.run())])
  isSettled = true
  const devices = await Promise.all(following)
  const run: Run = { publications: publishers, devices, histories: [], mayHaveVoids: true }
  const messages = publishers.flatMap((it) => it.messages)
  t.comment(`${messages.length} messages, ${countVoids(run)} voids, ${plan.length} faults`)
  t.same(checkRun(run), [])
  t.ok(messages.length > 100, `${messages.length} messages were acknowledged`)
})
