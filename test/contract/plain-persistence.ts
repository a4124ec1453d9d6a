// What is asked of aedes' persistence, for every engine: queues with bounds, one copy for each
// device; retained messages with bounds; packet ids of half-finished QoS 2.

import type { Readable } from 'node:stream'
import type { Test } from 'tap'
import type { PlainPersistence as Port } from '../../broker/plain/ports.ts'
import { levelBytes } from '../../protocol/limits.ts'

const limits = {
  messagesMax: 3,
  // Each packet counts 128 beside payload and topic.
  bytesMax: 484,
  bytesInAllMax: 10_000,
  retainedMax: 3,
  retainedBytesMax: 10_000,
}

type Limits = typeof limits

interface Client {
  readonly id: string
}

interface Subscription {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly nl?: boolean | undefined
}

interface Message {
  readonly cmd: string
  readonly brokerId?: string
  readonly brokerCounter?: number
  readonly clientId?: string
  readonly messageExpiry?: number
  readonly topic?: string
  readonly qos: 0 | 1 | 2
  readonly payload?: Buffer
  readonly messageId?: number | undefined
  readonly dup: boolean
}

/** What the engines have in common: the port, and what aedes itself asks. */
export interface PlainPersistence
  extends Pick<Port, 'expect' | 'isDraining' | 'forget' | 'createRetainedStreamCombi'> {
  addSubscriptions(client: Client, subscriptions: readonly Subscription[]): Promise<void>
  subscriptionsByTopic(topic: string): Promise<readonly (Subscription & { clientId: string })[]>
  outgoingEnqueueCombi(
    subscriptions: readonly (Subscription & { clientId: string })[],
    packet: Message,
  ): Promise<void>
  outgoingUpdate(client: Client, packet: Message): Promise<void>
  outgoingClearMessageId(client: Client, packet: Partial<Message>): Promise<unknown>
  outgoingStream(client: Client): Readable
  storeRetained(packet: {
    readonly topic: string
    readonly qos: 0 | 1 | 2
    readonly payload: Buffer
    readonly messageExpiry?: number
  }): Promise<void>
  incomingStorePacket(client: Client, packet: { messageId?: number | undefined }): Promise<void>
  incomingGetPacket(client: Client, packet: { messageId: number }): Promise<unknown>
  incomingDelPacket(client: Client, packet: { messageId?: number | undefined }): Promise<void>
  cleanIncoming(client: Client): Promise<void>
}

/** Makes an empty engine in which `bob/phone` is connected; it is closed when the test ends. */
export type MakePlainPersistence = (
  t: Test,
  limits: Limits,
  now?: () => number,
) => Promise<PlainPersistence>

/** Tests what aedes and the broker rely on. */
export async function testPlainPersistence(t: Test, make: MakePlainPersistence): Promise<void> {
  await t.test('queues', (t) => testQueues(t, make))
  await t.test('queues that are sent', (t) => testSending(t, make))
  await t.test('retained messages', (t) => testRetained(t, make))
  await t.test('half-finished QoS 2', (t) => testIncoming(t, make))
}

const bob = { id: 'bob/phone' }

function message(brokerCounter: number, payload = 'x', qos: 0 | 1 | 2 = 1) {
  const packet = { cmd: 'publish', brokerId: 'b', brokerCounter, topic: 't/a', dup: false }
  return { ...packet, qos, payload: Buffer.from(payload) }
}

async function publish(persistence: PlainPersistence, ...packets: ReturnType<typeof message>[]) {
  for (const packet of packets) {
    const subscriptions = await persistence.subscriptionsByTopic('t/a')
    await persistence.outgoingEnqueueCombi(subscriptions, packet)
  }
}

let ids = 1000

/** What is queued, sent as aedes sends it: each packet gets an id, and is written. */
async function queued(persistence: PlainPersistence, sent?: (count: number) => Promise<void>) {
  const packets: Record<string, unknown>[] = []
  for await (const packet of persistence.outgoingStream(bob)) {
    packets.push({ ...packet })
    await sent?.(packets.length)
    await persistence.outgoingUpdate(bob, { ...packet, messageId: packet.messageId ?? ++ids })
  }
  return packets
}

/** All retained messages of the tests: topic and payload, sorted. */
export async function retainedOf(persistence: PlainPersistence): Promise<string[]> {
  const kept = []
  for await (const { topic, payload, retain } of persistence.createRetainedStreamCombi(['t/#'])) {
    if (retain !== true) throw new Error(`${topic} comes without RETAIN`)
    kept.push(`${topic} ${payload}`)
  }
  return kept.sort()
}

async function retain(persistence: PlainPersistence, topic: string, payload: string) {
  await persistence.storeRetained({ topic, payload: Buffer.from(payload), qos: 1 })
}

async function testQueues(t: Test, make: MakePlainPersistence): Promise<void> {
  await t.test('filters that overlap queue one copy, at the lower of both QoS', async (t) => {
    const persistence = await make(t, limits)
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

  await t.test('a queue has bounds on messages and on bytes', async (t) => {
    const persistence = await make(t, limits)
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
    await persistence.outgoingClearMessageId(bob, { messageId: 33 })
    await publish(persistence, message(6, 'x'.repeat(89)))
    t.match(
      await queued(persistence),
      [1, 4, 6].map((brokerCounter) => ({ brokerCounter })),
    )
  })

  await t.test(
    'all queues together have a bound, and room comes back as it is taken',
    async (t) => {
      const bytesInAllMax = 4 * 132
      const persistence = await make(t, { ...limits, bytesInAllMax })
      const carol = { id: 'carol/phone' }
      for (const client of [bob, carol]) {
        await persistence.addSubscriptions(client, [{ topic: 't/a', qos: 1 }])
      }
      await publish(persistence, message(1), message(2), message(3))
      t.equal((await queued(persistence)).length, 2, 'the third found no room with either')
      await persistence.forget(carol.id)
      await publish(persistence, message(4))
      t.equal((await queued(persistence)).length, 3)
    },
  )

  await t.test('what was sent before is marked when it is asked for again', async (t) => {
    const persistence = await make(t, limits)
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

  await t.test(
    'what is new while a queue is sent joins it, and nothing is sent twice',
    async (t) => {
      const persistence = await make(t, { ...limits, messagesMax: 100, bytesMax: 10_000 })
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
    },
  )
}

async function testSending(t: Test, make: MakePlainPersistence): Promise<void> {
  await t.test('updates and answers of what is not queued change nothing', async (t) => {
    const persistence = await make(t, limits)
    await persistence.outgoingUpdate(bob, { ...message(1), messageId: 5 })
    await persistence.outgoingUpdate(bob, { cmd: 'pubrel', qos: 0, dup: false, messageId: 5 })
    await persistence.outgoingClearMessageId(bob, { messageId: 5 })
    await persistence.outgoingClearMessageId(bob, { messageId: undefined })
    t.same(await queued(persistence), [])
  })

  await t.test('a client that is forgotten has neither queue nor subscriptions', async (t) => {
    const persistence = await make(t, limits)
    await persistence.addSubscriptions(bob, [{ topic: 't/a', qos: 1 }])
    await publish(persistence, message(1))
    await persistence.forget(bob.id)
    t.same(await persistence.subscriptionsByTopic('t/a'), [])
    t.same(await queued(persistence), [])
  })

  await t.test('what is over makes room in a full queue, unless it was sent', async (t) => {
    let time = 1000
    const persistence = await make(t, limits, () => time)
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

  await t.test('a message of its own is not queued for a filter with No Local', async (t) => {
    const persistence = await make(t, limits)
    await persistence.addSubscriptions(bob, [{ topic: 't/a', qos: 2, nl: true }])
    await publish(persistence, { ...message(1), clientId: bob.id } as never, message(2))
    t.match(await queued(persistence), [{ brokerCounter: 2 }])
    await persistence.addSubscriptions(bob, [{ topic: 't/+', qos: 1 }])
    await publish(persistence, { ...message(3, 'x', 2), clientId: bob.id } as never)
    t.match((await queued(persistence)).at(-1), { brokerCounter: 3, qos: 1 })
  })

  await t.test('a message that is not for the client leaves its queue', async (t) => {
    const persistence = await make(t, limits)
    await persistence.addSubscriptions(bob, [{ topic: 't/a', qos: 1 }])
    await publish(persistence, message(1), message(2))
    await persistence.outgoingClearMessageId(bob, message(1))
    persistence.expect(bob.id)
    await persistence.outgoingClearMessageId(bob, message(2))
    t.match(await queued(persistence), [{ brokerCounter: 2 }], 'but while it is sent, it decides')
  })
}

async function testRetained(t: Test, make: MakePlainPersistence): Promise<void> {
  await t.test('retained messages have a bound on their number', async (t) => {
    const persistence = await make(t, limits)
    for (const topic of ['t/1', 't/2', 't/3', 't/4', 't/5']) await retain(persistence, topic, 'old')
    t.same(await retainedOf(persistence), ['t/1 old', 't/2 old', 't/3 old'])
    await retain(persistence, 't/2', 'new')
    await retain(persistence, 't/1', '')
    await retain(persistence, 't/1', '')
    await retain(persistence, 't/4', 'now')
    await retain(persistence, 't/5', 'still not')
    t.same(await retainedOf(persistence), ['t/2 new', 't/3 old', 't/4 now'])
  })

  await t.test('retained messages have a bound on bytes: payloads, topics, levels', async (t) => {
    const retainedBytesMax = 2 * (50 + 2 * levelBytes)
    const persistence = await make(t, { ...limits, retainedBytesMax })
    const large = 'x'.repeat(47)
    await retain(persistence, 't/1', large)
    await retain(persistence, 't/2', large)
    await retain(persistence, 't/3', 'x')
    t.same(await retainedOf(persistence), [`t/1 ${large}`, `t/2 ${large}`])
    await retain(persistence, 't/2', `${large}x`)
    t.same(await retainedOf(persistence), [`t/1 ${large}`], 'nothing outdated is left')
    await retain(persistence, 't/3', large)
    t.same(await retainedOf(persistence), [`t/1 ${large}`, `t/3 ${large}`])
  })

  await t.test(
    'a retained message that is over is not found, and is removed [MQTT5-3.3.2-5]',
    async (t) => {
      let time = 1000
      const persistence = await make(t, limits, () => time)
      const payload = Buffer.from('x')
      const store = (topic: string, messageExpiry?: number) =>
        persistence.storeRetained({
          topic,
          payload,
          qos: 0,
          ...(messageExpiry && { messageExpiry }),
        })
      await store('t/1', 2000)
      await store('t/2', 3000)
      await store('t/3')
      time = 1999
      t.same(await retainedOf(persistence), ['t/1 x', 't/2 x', 't/3 x'])
      time = 2000
      t.same(await retainedOf(persistence), ['t/2 x', 't/3 x'])
      await store('t/4')
      await store('t/5')
      t.same(await retainedOf(persistence), ['t/2 x', 't/3 x', 't/4 x'], 'there was room for one')
      time = 3000
      await store('t/5')
      t.same(await retainedOf(persistence), ['t/3 x', 't/4 x', 't/5 x'], 'what is over makes room')
    },
  )
}

async function testIncoming(t: Test, make: MakePlainPersistence): Promise<void> {
  await t.test('of half-finished QoS 2 the packet id is kept, and no payload', async (t) => {
    const persistence = await make(t, limits)
    const packet = { ...message(1, 'x'.repeat(1000), 2), messageId: 7 }
    await t.rejects(persistence.incomingGetPacket(bob, packet))
    await persistence.incomingStorePacket(bob, packet)
    t.same(await persistence.incomingGetPacket(bob, packet), { messageId: 7 })
    await t.rejects(persistence.incomingGetPacket({ id: 'other' }, packet))
    await persistence.incomingDelPacket(bob, packet)
    await t.rejects(persistence.incomingGetPacket(bob, packet))
    await t.rejects(persistence.incomingDelPacket(bob, packet))
    for (const clean of [
      persistence.cleanIncoming,
      ({ id }: typeof bob) => persistence.forget(id),
    ]) {
      await persistence.incomingStorePacket(bob, packet)
      await clean(bob)
      await t.rejects(persistence.incomingGetPacket(bob, packet))
    }
  })

  await t.test('half-finished QoS 2 has a bound for each client', async (t) => {
    const persistence = await make(t, limits)
    for (let messageId = 1; messageId <= 1000; messageId++) {
      await persistence.incomingStorePacket(bob, { messageId })
    }
    await persistence.incomingStorePacket(bob, { messageId: 1000 })
    await t.rejects(persistence.incomingStorePacket(bob, { messageId: 1001 }))
    await persistence.incomingStorePacket({ id: 'other' }, { messageId: 1001 })
    await persistence.incomingDelPacket(bob, { messageId: 1 })
    await persistence.incomingStorePacket(bob, { messageId: 1001 })
  })
}
