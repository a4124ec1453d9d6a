// What aedes keeps in Redis: the contract, and what brokers that share it rely on.

import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { makeRedisPlainPersistence } from '../../../plugins/aedes-persistence-redis/redis.ts'
import { testPlainPersistence } from '../../contract/plain-persistence.ts'
import { makeQuietLogger } from '../../services/delivery/support/devices.ts'
import { requireProgram } from '../../support/programs.ts'
import { startRedis } from '../../support/redis.ts'
import { makeHub } from './support/hub.ts'

const limits = {
  messagesMax: 3,
  bytesMax: 484,
  bytesInAllMax: 10_000,
  retainedMax: 3,
  retainedBytesMax: 10_000,
}
const bob = { id: 'bob/phone' }
const { skip } = requireProgram('redis-server')

t.test('aedes-persistence-redis', { skip }, async (t) => {
  const server = await startRedis(t)
  const redis = new Redis(server.url)
  t.teardown(() => redis.disconnect())

  /** Persistences of brokers that share Redis; nothing is in it. */
  const make = async (
    t: Test,
    { limits: bounds = limits, now = Date.now, count = 1 },
  ): Promise<ReturnType<typeof makeRedisPlainPersistence>[]> => {
    await server.flush()
    const hub = makeHub()
    const made = []
    for (let index = 0; index < count; index++) {
      const logger = makeQuietLogger()
      const parts = { redis, limits: bounds, logger, clock: now }
      const persistence = makeRedisPlainPersistence(parts)
      t.teardown(() => persistence.shared.close())
      await persistence.setup({ id: `broker-${index}`, ...hub })
      made.push(persistence)
    }
    return made
  }

  await t.test('the contract', (t) =>
    testPlainPersistence(t, async (t, bounds, now = Date.now) => {
      const [persistence] = await make(t, { limits: bounds, now })
      if (persistence === undefined) throw new Error('none')
      await persistence.shared.arrived(bob.id)
      return persistence
    }),
  )

  const message = (brokerCounter: number, brokerId = 'b') => {
    const packet = { cmd: 'publish', brokerId, brokerCounter, topic: 't/a', dup: false }
    return { ...packet, qos: 2 as const, payload: Buffer.of(0, 0xff, 10, brokerCounter) }
  }

  await t.test('a device goes on at another broker with what it has not answered', async (t) => {
    const [one, other] = await make(t, { count: 2 })
    if (one === undefined || other === undefined) throw new Error('none')
    t.equal(await other.shared.isKept(bob.id), false)
    t.equal(await one.shared.arrived(bob.id), undefined)
    await one.addSubscriptions(bob, [{ topic: 't/+', qos: 2, subscriptionIdentifier: 7 } as never])
    t.match(await other.subscriptionsByTopic('t/a'), [{ clientId: bob.id, qos: 2 }])
    t.match(await other.subscriptionsByClient(bob), [{ topic: 't/+', subscriptionIdentifier: 7 }])
    const found = await other.subscriptionsByTopic('t/a')
    for (const counter of [1, 2, 3]) await other.outgoingEnqueueCombi(found, message(counter))
    await one.outgoingUpdate(bob, { ...message(1), messageId: 40_001 })
    await one.outgoingUpdate(bob, { ...message(2), messageId: 40_002 })
    await one.outgoingUpdate(bob, { cmd: 'pubrel', qos: 0, dup: false, messageId: 40_001 })
    await one.shared.departed(bob.id, 40_003)
    t.equal(await other.shared.isKept(bob.id), true)
    t.equal(await other.shared.arrived(bob.id), 40_003)
    t.same(other.unanswered(bob.id).toSorted(), [40_001, 40_002])
    const queue: Record<string, unknown>[] = []
    for await (const packet of other.outgoingStream(bob)) {
      queue.push({ ...packet })
      await other.outgoingUpdate(bob, { ...packet, messageId: packet.messageId ?? 40_003 })
    }
    t.match(queue, [
      { cmd: 'pubrel', messageId: 40_001 },
      { brokerCounter: 2, messageId: 40_002, dup: true, payload: Buffer.of(0, 0xff, 10, 2) },
      { brokerCounter: 3, messageId: undefined, dup: false },
    ])
    for (const messageId of [40_001, 40_002, 40_003]) {
      await other.outgoingClearMessageId(bob, { messageId })
    }
    t.same(other.unanswered(bob.id), [])
    t.equal(await redis.get('parley:plain:bytes'), '0')
    await other.forget(bob.id)
    t.same(await one.subscriptionsByTopic('t/a'), [])
    const left = await redis.keys('*')
    t.same(left, ['parley:plain:bytes'], 'nothing is left of it')
  })

  await t.test('what is left to a queue that seemed empty is found', async (t) => {
    const [persistence] = await make(t, {})
    if (persistence === undefined) throw new Error('none')
    await persistence.shared.arrived(bob.id)
    const found = [{ clientId: bob.id, topic: 't/a', qos: 2 as const }]
    persistence.expect(bob.id)
    const next = persistence.outgoingStream(bob)[Symbol.asyncIterator]().next()
    // The queue is being asked for when the message is published, and left to it.
    await new Promise((resolve) => setImmediate(resolve))
    const isPut = persistence.outgoingEnqueueCombi(found, message(1))
    await persistence.outgoingClearMessageId(bob, message(1))
    await isPut
    t.match(await next, { value: { brokerCounter: 1 } })
  })

  await t.test('a connection that another one replaced sends nothing more', async (t) => {
    const [one, other] = await make(t, { count: 2 })
    if (one === undefined || other === undefined) throw new Error('none')
    await one.shared.arrived(bob.id)
    await one.addSubscriptions(bob, [{ topic: 't/a', qos: 2 }])
    const found = await one.subscriptionsByTopic('t/a')
    await one.outgoingEnqueueCombi(found, message(1))
    await other.shared.arrived(bob.id)
    await t.rejects(one.outgoingUpdate(bob, { ...message(1), messageId: 9 }), /another/)
    await one.shared.departed(bob.id, 33)
    await other.outgoingUpdate(bob, { ...message(1), messageId: 10 })
    t.same(other.unanswered(bob.id), [10])
  })

  await t.test('news of what was sent with the queue are not sent again', async (t) => {
    const [persistence] = await make(t, {})
    if (persistence === undefined) throw new Error('none')
    await persistence.shared.arrived(bob.id)
    await persistence.addSubscriptions(bob, [{ topic: 't/a', qos: 2 }])
    const found = await persistence.subscriptionsByTopic('t/a')
    await persistence.outgoingEnqueueCombi(found, message(1))
    persistence.expect(bob.id)
    for await (const packet of persistence.outgoingStream(bob)) {
      await persistence.outgoingUpdate(bob, { ...packet, messageId: 5 })
    }
    t.equal(persistence.isDraining(bob.id), false)
    t.equal(persistence.isDraining(bob.id, message(1)), true)
    t.equal(persistence.isDraining(bob.id, message(2)), false)
    await persistence.outgoingClearMessageId(bob, message(1))
    t.same(persistence.unanswered(bob.id), [5])
    t.same(await persistence.shared.catchUp(), [])
    await persistence.outgoingEnqueueCombi(found, message(2))
    t.same(await persistence.shared.catchUp(), [bob.id], 'the second one waits')
  })

  await t.test('topics that mean something in a pattern of Redis are retained', async (t) => {
    const [persistence] = await make(t, {})
    const topics = ['t/[ab]/x', 't/a/x', 't/*?\\/x']
    for (const topic of topics) {
      await persistence?.storeRetained({ topic, payload: Buffer.from('x'), qos: 0 })
    }
    const find = async (filter: string) => {
      const found = []
      for await (const { topic } of persistence?.createRetainedStreamCombi([filter]) ?? []) {
        found.push(topic)
      }
      return found.sort()
    }
    t.same(await find('t/[ab]/+'), ['t/[ab]/x'])
    t.same(await find('t/*?\\/#'), ['t/*?\\/x'])
    t.same(await find('t/+/x'), topics.toSorted())
    t.same(await find('t/*?\\/x'), ['t/*?\\/x'])
  })

  await t.test('a will of a silent broker goes to one of the others', async (t) => {
    let time = 1000
    const [dead, one, other] = await make(t, { count: 3, now: () => time })
    if (!dead || !one || !other) throw new Error('none')
    const will = { topic: 't/w', payload: Buffer.of(0, 0xff), qos: 1 as const, retain: true }
    await dead.putWill(bob, will)
    await dead.putWill({ id: 'carol/phone' }, { ...will, topic: 't/late', delayMs: 500 })
    await dead.putWill({ id: 'dave/phone' }, { ...will, topic: 't/back' })
    await dead.shared.keepDelayed('erin/phone', { ...will, topic: 't/kept' }, 1400)
    const alive = { 'broker-1': 1, 'broker-2': 1 }
    const ask = async () => {
      const found = []
      for (const broker of [one, other]) {
        for await (const orphan of broker.streamWill(alive)) {
          found.push(orphan.topic)
          t.match(orphan, { qos: 1, payload: Buffer.of(0, 0xff), clientId: /phone/ })
          await broker.delWill({ id: orphan.clientId, brokerId: orphan.brokerId })
        }
      }
      return found
    }
    await other.shared.dropWills('dave/phone')
    t.same(await ask(), [], 'silent for the first time')
    t.same(await ask(), ['t/w'])
    time = 1499
    t.same(await ask(), ['t/kept'])
    time = 1500
    t.same(await ask(), ['t/late'])
    t.same(await ask(), [])
    t.same(await redis.keys('*wills:*'), [], 'nothing is left')
  })
})
