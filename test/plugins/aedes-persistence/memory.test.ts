// What aedes keeps in memory: queues with bounds, one copy for each device;
// retained messages with bounds; packet ids of half-finished QoS 2.

import t from 'tap'
import { makePlainPersistence } from '../../../plugins/aedes-persistence/memory.ts'
import { levelBytes } from '../../../protocol/limits.ts'

const limits = {
  messagesMax: 3,
  // Each packet counts 128 beside payload and topic.
  bytesMax: 484,
  bytesInAllMax: 10_000,
  retainedMax: 3,
  retainedBytesMax: 10_000,
}
const warnings: object[] = []
const ignore = () => {}
const warn = (context: object) => void warnings.push(context)
const logger = { debug: ignore, info: ignore, warn, error: ignore }
const bob = { id: 'bob/phone' }

type Persistence = ReturnType<typeof makePlainPersistence>

function message(brokerCounter: number, payload = 'x', qos: 0 | 1 | 2 = 1) {
  const packet = { cmd: 'publish', brokerId: 'b', brokerCounter, topic: 't/a', dup: false }
  return { ...packet, qos, payload: Buffer.from(payload) }
}

async function publish(persistence: Persistence, ...packets: ReturnType<typeof message>[]) {
  for (const packet of packets) {
    const subscriptions = await persistence.subscriptionsByTopic('t/a')
    await persistence.outgoingEnqueueCombi(subscriptions, packet)
  }
}

let ids = 1000

/** What is queued, sent as aedes sends it: each packet gets an id, and is written. */
async function queued(persistence: Persistence, sent?: (count: number) => Promise<void>) {
  const packets: Record<string, unknown>[] = []
  for await (const packet of persistence.outgoingStream(bob)) {
    packets.push({ ...packet })
    await sent?.(packets.length)
    await persistence.outgoingUpdate(bob, { ...packet, messageId: packet.messageId ?? ++ids })
  }
  return packets
}

t.test('filters that overlap queue one copy, at the lower of both QoS', async (t) => {
  const persistence = makePlainPersistence(limits, logger)
  const filters = [
    { topic: 't/#', qos: 0 },
    { topic: 't/+', qos: 2 },
    { topic: 't/a', qos: 1 },
  ] as const
  await persistence.addSubscriptions(bob, filters)
  await publish(persistence, message(1, 'x', 2), message(2, 'x', 1))
  t.match(await queued(persistence), [
    { brokerCounter: 1, qos: 2 },
    { brokerCounter: 2, qos: 1 },
  ])
})

t.test('a queue has bounds on messages and on bytes', async (t) => {
  const persistence = makePlainPersistence(limits, logger)
  await persistence.addSubscriptions(bob, [{ topic: 't/a', qos: 1 }])
  await publish(
    persistence,
    message(1),
    message(2, 'x'.repeat(250)),
    message(3),
    message(4),
    message(5),
  )
  t.match(
    await queued(persistence),
    [1, 3, 4].map((brokerCounter) => ({ brokerCounter })),
  )
  await persistence.outgoingUpdate(bob, { ...message(3), messageId: 33 })
  t.match(await persistence.outgoingClearMessageId(bob, { messageId: 33 }), { brokerCounter: 3 })
  await publish(persistence, message(6, 'x'.repeat(89)))
  t.match(
    await queued(persistence),
    [1, 4, 6].map((brokerCounter) => ({ brokerCounter })),
  )
})

t.test('all queues together have a bound, and room comes back as it is taken', async (t) => {
  const bytesInAllMax = 4 * 132
  const persistence = makePlainPersistence({ ...limits, bytesInAllMax }, logger)
  const carol = { id: 'carol/phone' }
  for (const client of [bob, carol]) {
    await persistence.addSubscriptions(client, [{ topic: 't/a', qos: 1 }])
  }
  await publish(persistence, message(1), message(2), message(3))
  t.equal((await queued(persistence)).length, 2, 'the third found no room with either')
  await persistence.forget(carol.id)
  await publish(persistence, message(4))
  t.equal((await queued(persistence)).length, 3)
})

t.test('what was sent before is marked when it is asked for again', async (t) => {
  const persistence = makePlainPersistence(limits, logger)
  await persistence.addSubscriptions(bob, [{ topic: 't/a', qos: 2 }])
  await publish(persistence, message(1, 'x', 2), message(2), message(3))
  await persistence.outgoingUpdate(bob, { ...message(1), messageId: 11 })
  await persistence.outgoingUpdate(bob, { ...message(2), messageId: 12 })
  await persistence.outgoingUpdate(bob, { cmd: 'pubrel', qos: 0, dup: false, messageId: 11 })
  t.match(await queued(persistence), [
    { cmd: 'pubrel', messageId: 11, dup: false },
    { cmd: 'publish', messageId: 12, dup: true },
    { cmd: 'publish', messageId: undefined, dup: false },
  ])
})

t.test('what is new while a queue is sent joins it, and nothing is sent twice', async (t) => {
  const persistence = makePlainPersistence(
    { ...limits, messagesMax: 100, bytesMax: 10_000 },
    logger,
  )
  await persistence.addSubscriptions(bob, [{ topic: 't/a', qos: 2 }])
  await publish(persistence, ...Array.from({ length: 40 }, (_, i) => message(i + 1)))
  t.equal(persistence.isDraining(bob.id), false)
  persistence.expect(bob.id)
  t.equal(persistence.isDraining(bob.id), true, 'before it is asked for')
  const packets = await queued(persistence, async (count) => {
    t.equal(persistence.isDraining(bob.id), true)
    if (count === 40) await publish(persistence, message(42))
    if (count === 3) await publish(persistence, message(41))
    if (count !== 5) return
    // The first is acknowledged, the second received.
    await persistence.outgoingClearMessageId(bob, { messageId: ids - 3 })
    const pubrel = { cmd: 'pubrel', qos: 0, dup: false, messageId: ids - 2 } as const
    await persistence.outgoingUpdate(bob, pubrel)
  })
  t.equal(persistence.isDraining(bob.id), false)
  t.same(
    packets.map(({ brokerCounter }) => brokerCounter),
    Array.from({ length: 42 }, (_, i) => i + 1),
  )
})

t.test('updates and answers of what is not queued change nothing', async (t) => {
  const persistence = makePlainPersistence(limits, logger)
  await persistence.outgoingUpdate(bob, { ...message(1), messageId: 5 })
  await persistence.outgoingUpdate(bob, { cmd: 'pubrel', qos: 0, dup: false, messageId: 5 })
  t.equal(await persistence.outgoingClearMessageId(bob, { messageId: 5 }), undefined)
  t.equal(await persistence.outgoingClearMessageId(bob, { messageId: undefined }), undefined)
  t.same(await queued(persistence), [])
})

t.test('a client that is forgotten has neither queue nor subscriptions', async (t) => {
  const persistence = makePlainPersistence(limits, logger)
  await persistence.addSubscriptions(bob, [{ topic: 't/a', qos: 1 }])
  await publish(persistence, message(1))
  await persistence.forget(bob.id)
  t.same(await persistence.subscriptionsByTopic('t/a'), [])
  t.same(await queued(persistence), [])
})

async function retained(persistence: Persistence): Promise<string[]> {
  const kept = []
  for await (const { topic, payload, retain } of persistence.createRetainedStreamCombi(['t/#'])) {
    t.equal(retain, true)
    kept.push(`${topic} ${payload}`)
  }
  return kept.sort()
}

async function retain(persistence: Persistence, topic: string, payload: string) {
  await persistence.storeRetained({ topic, payload: Buffer.from(payload), qos: 1 })
}

t.test('retained messages have a bound on their number, and the log tells once', async (t) => {
  warnings.length = 0
  const persistence = makePlainPersistence(limits, logger)
  for (const topic of ['t/1', 't/2', 't/3', 't/4', 't/5']) await retain(persistence, topic, 'old')
  t.same(await retained(persistence), ['t/1 old', 't/2 old', 't/3 old'])
  t.same(warnings, [{ retainedMax: 3, retainedBytesMax: 10_000 }])
  await retain(persistence, 't/2', 'new')
  await retain(persistence, 't/1', '')
  await retain(persistence, 't/1', '')
  await retain(persistence, 't/4', 'now')
  await retain(persistence, 't/5', 'still not')
  t.same(await retained(persistence), ['t/2 new', 't/3 old', 't/4 now'])
})

t.test('retained messages have a bound on bytes: payloads, topics, levels', async (t) => {
  const retainedBytesMax = 2 * (50 + 2 * levelBytes)
  const persistence = makePlainPersistence({ ...limits, retainedBytesMax }, logger)
  const large = 'x'.repeat(47)
  await retain(persistence, 't/1', large)
  await retain(persistence, 't/2', large)
  await retain(persistence, 't/3', 'x')
  t.same(await retained(persistence), [`t/1 ${large}`, `t/2 ${large}`])
  await retain(persistence, 't/2', `${large}x`)
  t.same(await retained(persistence), [`t/1 ${large}`], 'nothing outdated is left')
  await retain(persistence, 't/3', large)
  t.same(await retained(persistence), [`t/1 ${large}`, `t/3 ${large}`])
})

t.test('a retained payload is no part of a larger buffer', async (t) => {
  const persistence = makePlainPersistence(limits, logger)
  const payload = Buffer.alloc(100_000, 'x').subarray(10, 20)
  await persistence.storeRetained({ topic: 't/1', payload, qos: 0 })
  for await (const kept of persistence.createRetainedStreamCombi(['t/1'])) {
    t.equal(kept.payload.buffer.byteLength, 10)
  }
})

t.test('of half-finished QoS 2 the packet id is kept, and no payload', async (t) => {
  const persistence = makePlainPersistence(limits, logger)
  const packet = { ...message(1, 'x'.repeat(1000), 2), messageId: 7 }
  await t.rejects(persistence.incomingGetPacket(bob, packet))
  await persistence.incomingStorePacket(bob, packet)
  t.same(await persistence.incomingGetPacket(bob, packet), { messageId: 7 })
  await t.rejects(persistence.incomingGetPacket({ id: 'other' }, packet))
  await persistence.incomingDelPacket(bob, packet)
  await t.rejects(persistence.incomingGetPacket(bob, packet))
  await t.rejects(persistence.incomingDelPacket(bob, packet))
  for (const clean of [persistence.cleanIncoming, ({ id }: typeof bob) => persistence.forget(id)]) {
    await persistence.incomingStorePacket(bob, packet)
    await clean(bob)
    await t.rejects(persistence.incomingGetPacket(bob, packet))
  }
})

t.test('half-finished QoS 2 has a bound for each client', async (t) => {
  const persistence = makePlainPersistence(limits, logger)
  for (let messageId = 1; messageId <= 1000; messageId++) {
    await persistence.incomingStorePacket(bob, { messageId })
  }
  await persistence.incomingStorePacket(bob, { messageId: 1000 })
  await t.rejects(persistence.incomingStorePacket(bob, { messageId: 1001 }))
  await persistence.incomingStorePacket({ id: 'other' }, { messageId: 1001 })
  await persistence.incomingDelPacket(bob, { messageId: 1 })
  await persistence.incomingStorePacket(bob, { messageId: 1001 })
})

t.test(
  'a retained message that is over is not found, and is removed [MQTT5-3.3.2-5]',
  async (t) => {
    let time = 1000
    const persistence = makePlainPersistence(limits, logger, () => time)
    const payload = Buffer.from('x')
    const store = (topic: string, messageExpiry?: number) =>
      persistence.storeRetained({ topic, payload, qos: 0, ...(messageExpiry && { messageExpiry }) })
    await store('t/1', 2000)
    await store('t/2', 3000)
    await store('t/3')
    time = 1999
    t.same(await retained(persistence), ['t/1 x', 't/2 x', 't/3 x'])
    time = 2000
    t.same(await retained(persistence), ['t/2 x', 't/3 x'])
    await store('t/4')
    await store('t/5')
    t.same(await retained(persistence), ['t/2 x', 't/3 x', 't/4 x'], 'there was room for one')
    time = 3000
    await store('t/5')
    t.same(await retained(persistence), ['t/3 x', 't/4 x', 't/5 x'], 'what is over makes room')
  },
)

t.test('a full store looks for what is over at most once a second', async (t) => {
  let time = 1000
  const persistence = makePlainPersistence(limits, logger, () => time)
  const payload = Buffer.from('x')
  const store = (topic: string, messageExpiry: number) =>
    persistence.storeRetained({ topic, payload, qos: 0, messageExpiry })
  for (const [index, topic] of ['t/1', 't/2', 't/3'].entries()) await store(topic, 2000 + index)
  time = 2000
  await store('t/4', 9000)
  time = 2999
  await store('t/5', 9000)
  t.same(await retained(persistence), ['t/4 x'], 'two are over, which nobody has looked for')
  for (const topic of ['t/6', 't/7']) await store(topic, 9000)
  t.same(await retained(persistence), ['t/4 x', 't/6 x', 't/7 x'])
})

t.test('what is over makes room in a full queue, unless it was sent', async (t) => {
  let time = 1000
  const persistence = makePlainPersistence(limits, logger, () => time)
  await persistence.addSubscriptions(bob, [{ topic: 't/a', qos: 1 }])
  const lasting = (counter: number) => ({ ...message(counter), messageExpiry: 2000 })
  await publish(persistence, lasting(1), lasting(2), message(3))
  await persistence.outgoingUpdate(bob, { ...message(1), messageId: 9 })
  time = 2000
  await publish(persistence, message(4), message(5))
  t.match(await queued(persistence), [
    { brokerCounter: 1, messageId: 9, dup: true },
    { brokerCounter: 3 },
    { brokerCounter: 4 },
  ])
})

t.test('a message of its own is not queued for a filter with No Local', async (t) => {
  const persistence = makePlainPersistence(limits, logger)
  await persistence.addSubscriptions(bob, [{ topic: 't/a', qos: 2, nl: true }])
  await publish(persistence, { ...message(1), clientId: bob.id } as never, message(2))
  t.match(await queued(persistence), [{ brokerCounter: 2 }])
  await persistence.addSubscriptions(bob, [{ topic: 't/+', qos: 1 }])
  await publish(persistence, { ...message(3, 'x', 2), clientId: bob.id } as never)
  t.match((await queued(persistence)).at(-1), { brokerCounter: 3, qos: 1 })
})

t.test('a message that is not for the client leaves its queue', async (t) => {
  const persistence = makePlainPersistence(limits, logger)
  await persistence.addSubscriptions(bob, [{ topic: 't/a', qos: 1 }])
  await publish(persistence, message(1), message(2))
  t.match(await persistence.outgoingClearMessageId(bob, message(1)), { brokerCounter: 1 })
  persistence.expect(bob.id)
  await persistence.outgoingClearMessageId(bob, message(2))
  t.match(await queued(persistence), [{ brokerCounter: 2 }], 'but while it is sent, it decides')
})
