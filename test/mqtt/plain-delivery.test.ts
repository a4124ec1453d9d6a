// Plain topics: the three QoS, retained messages, order, on the wire.

import type { IPublishPacket, QoS } from 'mqtt-packet'
import t from 'tap'
import { codesOf } from '../support/level.ts'
import type { RawClient } from '../support/raw-client.ts'
import { connectRaw, publishPacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

type Owner = Parameters<typeof startTestServer>[0]

const server = await startTestServer(t, { openTopics: 't/#' })
let devices = 0

function join(t: Owner, options: { acknowledge?: boolean } = {}): Promise<RawClient> {
  const device = { user: 'alice', id: `d${++devices}`, ...options }
  return connectRaw(t, server, device, { clean: true })
}

async function subscribe(client: RawClient, ...filters: (readonly [string, QoS])[]) {
  const subscriptions = filters.map(([topic, qos]) => ({ topic, qos }))
  const before = client.of('suback').length
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions })
  const subacks = await client.wait('suback', before + 1)
  return codesOf(subacks.at(-1))
}

function message(topic: string, payload: string, more: Partial<IPublishPacket> = {}) {
  return { ...publishPacket(topic, payload, 7), ...more }
}

/** What it got, when all that was sent before has arrived. */
async function settled(client: RawClient): Promise<IPublishPacket[]> {
  const before = client.of('publish').length
  const end = `t/end/${devices}/${before}`
  await subscribe(client, [end, 1])
  client.send({ ...publishPacket(end, '', 60_000), messageId: 60_000 })
  await until('the end', () => client.of('publish').some(({ topic }) => topic === end))
  return client.of('publish').filter(({ topic }) => !topic.startsWith('t/end/'))
}

for (const [sent, granted, got] of [
  [0, 0, 0],
  [0, 2, 0],
  [1, 0, 0],
  [1, 1, 1],
  [1, 2, 1],
  [2, 0, 0],
  [2, 1, 1],
  [2, 2, 2],
] as const) {
  for (const filter of ['t/q/x', 't/+/x', 't/q/#']) {
    const title = `QoS ${sent} to a ${filter} at QoS ${granted} comes at ${got} [MQTT-3.8.4-6]`
    t.test(title, async (t) => {
      const [alice, bob] = [await join(t), await join(t)]
      t.same(await subscribe(bob, [filter, granted]), [granted], '[MQTT-3.9.3-1]')
      alice.send(message('t/q/x', 'hello', { qos: sent, messageId: 7 }))
      if (sent === 1) t.match(await alice.wait('puback'), [{ messageId: 7 }], '[MQTT-3.3.4-1]')
      if (sent === 2) {
        t.match(await alice.wait('pubrec'), [{ messageId: 7 }], '[MQTT-4.3.3-2]')
        alice.send({ cmd: 'pubrel', messageId: 7 })
        t.match(await alice.wait('pubcomp'), [{ messageId: 7 }], '[MQTT-4.3.3-2]')
      }
      const [received] = await bob.wait('publish')
      t.match(received, { topic: 't/q/x', qos: got, retain: false, dup: false })
      t.equal(received?.payload.toString(), 'hello')
    })
  }
}

t.test('a QoS 2 message goes out once, in four steps [MQTT-4.3.3-1, MQTT-4.3.3-2]', async (t) => {
  const [alice, bob] = [await join(t), await join(t)]
  await subscribe(bob, ['t/twice', 2])
  const twice = message('t/twice', 'once', { qos: 2, messageId: 9 })
  alice.send(twice)
  await alice.wait('pubrec')
  alice.send({ ...twice, dup: true })
  await alice.wait('pubrec', 2)
  alice.send({ cmd: 'pubrel', messageId: 9 }, { cmd: 'pubrel', messageId: 9 })
  await alice.wait('pubcomp', 2)
  const [received] = await bob.wait('publish')
  const messageId = received?.messageId ?? 0
  bob.send({ cmd: 'pubrec', messageId })
  t.match(await bob.wait('pubrel'), [{ messageId }])
  bob.send({ cmd: 'pubcomp', messageId })
  t.equal((await settled(bob)).length, 1)
  alice.send(twice)
  await bob.wait('publish', 3)
  t.equal((await settled(bob)).length, 2, 'the id is free again')
})

t.test('DUP of a publisher is not passed on [MQTT-3.3.1-3]', async (t) => {
  const [alice, bob] = [await join(t), await join(t)]
  await subscribe(bob, ['t/dup', 1])
  alice.send(message('t/dup', 'x', { dup: true }))
  t.match(await bob.wait('publish'), [{ dup: false }])
})

t.test('filters that overlap deliver once, at the highest QoS [MQTT-3.3.5-1]', async (t) => {
  const [alice, bob] = [await join(t), await join(t)]
  const filters = ['t/over/#', 't/over/+', 't/+/x'] as const
  await subscribe(bob, [filters[0], 0], [filters[1], 2], [filters[2], 1])
  alice.send(message('t/over/x', 'hi', { qos: 2 }))
  const received = await settled(bob)
  t.match(received, [{ topic: 't/over/x', qos: 2 }])
  t.equal(received.length, 1)
})

for (const qos of [0, 1, 2] as const) {
  for (const other of [0, 1, 2] as const) {
    const title = `retained at QoS ${qos}, with one at QoS ${other} in a segment: both come, once`
    t.test(title, async (t) => {
      const [alice, bob] = [await join(t), await join(t)]
      const on = `t/seg/${qos}${other}`
      await subscribe(bob, [`${on}/#`, 2], [`${on}/+`, 1], [`${on}/a`, 2])
      const sent: string[] = []
      for (let n = 1; n <= 50; n++) {
        const kept = { qos, retain: true, messageId: 2 * n }
        alice.send(
          message(`${on}/a`, `kept ${n}`, kept),
          message(`${on}/a`, `next ${n}`, { qos: other, messageId: 2 * n + 1 }),
        )
        sent.push(`kept ${n}`, `next ${n}`)
        alice.send({ cmd: 'pingreq' })
        await alice.wait('pingresp', n)
        await bob.wait('publish', 2 * n)
      }
      const texts = (await settled(bob)).map(({ payload }) => payload.toString())
      if (qos === other) t.same(texts, sent, 'in order [MQTT-4.6.0-6]')
      else t.same(texts.sort(), sent.sort())
    })
  }
}

t.test('a filter given again replaces itself [MQTT-3.8.4-3]', async (t) => {
  const [alice, bob] = [await join(t), await join(t)]
  t.same(await subscribe(bob, ['t/again', 2], ['t/again', 1]), [2, 1])
  alice.send(message('t/again', 'a', { qos: 2 }))
  t.match(await settled(bob), [{ qos: 1 }])
  await subscribe(bob, ['t/again', 0])
  alice.send(message('t/again', 'b', { qos: 2, messageId: 8 }))
  t.match(await settled(bob), [{ qos: 1 }, { qos: 0 }])
})

t.test('UNSUBSCRIBE ends what came by the filter, after what was before it', async (t) => {
  const alice = await join(t)
  await subscribe(alice, ['t/un/+', 1])
  alice.send(
    message('t/un/a', 'heard'),
    { cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['t/un/+', 't/un/+', 'no/such'] },
    message('t/un/b', 'unheard', { messageId: 8 }),
  )
  t.match(await alice.wait('unsuback'), [{ messageId: 2 }], '[MQTT-3.10.4-4]')
  await alice.wait('puback', 2)
  const topics = (await settled(alice)).map(({ topic }) => topic)
  t.same(topics, ['t/un/a'], '[MQTT-3.10.4-2]')
})

t.test('a retained message comes to who subscribes later, marked [MQTT-3.3.1-6]', async (t) => {
  const alice = await join(t)
  alice.send(message('t/kept/a', 'old', { retain: true }))
  alice.send(message('t/kept/a', 'new', { retain: true, messageId: 8 }))
  alice.send(message('t/kept/b', 'other', { retain: true, qos: 0 }))
  await alice.wait('puback', 2)
  for (const filter of ['t/kept/a', 't/kept/+', 't/#'] as const) {
    const bob = await join(t)
    await subscribe(bob, [filter, 1])
    const kept = (await settled(bob)).filter(({ topic }) => topic.startsWith('t/kept/'))
    t.ok(kept.every(({ retain }) => retain))
    const texts = kept.map(({ topic, qos, payload }) => `${topic} ${qos} ${payload}`)
    const expected = ['t/kept/a 1 new', ...(filter === 't/kept/a' ? [] : ['t/kept/b 0 other'])]
    t.same(texts.sort(), expected, '[MQTT-3.3.1-5, MQTT-3.3.1-7]')
  }
  const live = await join(t)
  await subscribe(live, ['t/live', 1])
  alice.send(message('t/live', 'now', { retain: true, messageId: 9 }))
  t.match(await live.wait('publish'), [{ retain: false }], '[MQTT-3.3.1-9]')
  await subscribe(live, ['t/live', 1])
  t.match(await live.wait('publish', 2), [{ retain: false }, { retain: true }], '[MQTT-3.8.4-3]')
})

t.test('a retained message without payload removes what was kept', async (t) => {
  const [alice, bob, carol] = [await join(t), await join(t), await join(t)]
  alice.send(message('t/gone', 'kept', { retain: true }))
  await alice.wait('puback')
  await subscribe(bob, ['t/gone', 1])
  await bob.wait('publish')
  alice.send(message('t/gone', '', { retain: true, messageId: 8 }))
  await bob.wait('publish', 2)
  t.match(bob.of('publish')[1], { retain: false, payload: Buffer.alloc(0) })
  await subscribe(carol, ['t/gone', 1])
  t.same(await settled(carol), [], '[MQTT-3.3.1-10, MQTT-3.3.1-11]')
})

t.test('messages that are not retained are not kept [MQTT-3.3.1-12]', async (t) => {
  const [alice, bob] = [await join(t), await join(t)]
  alice.send(message('t/passing', 'kept', { retain: true }))
  alice.send(message('t/passing', 'passing', { messageId: 8 }))
  await alice.wait('puback', 2)
  await subscribe(bob, ['t/passing', 0])
  const received = await settled(bob)
  t.match(received, [{ qos: 0, retain: true }])
  t.same(
    received.map(({ payload }) => payload.toString()),
    ['kept'],
  )
})

for (const qos of [0, 1, 2] as const) {
  t.test(`messages of QoS ${qos} come in the order they were sent [MQTT-4.6.0-6]`, async (t) => {
    const [alice, bob] = [await join(t), await join(t)]
    await subscribe(bob, ['t/order/#', qos])
    const numbers = Array.from({ length: 300 }, (_, i) => i + 1)
    alice.send(...numbers.map((n) => message(`t/order/${n % 3}`, `${n}`, { qos, messageId: n })))
    await bob.wait('publish', 300)
    t.same(
      bob.of('publish').map(({ payload }) => Number(payload.toString())),
      numbers,
    )
    if (qos === 0) return
    const answers = await alice.wait(qos === 1 ? 'puback' : 'pubrec', 300)
    t.same(
      answers.map(({ messageId }) => messageId),
      numbers,
      '[MQTT-4.6.0-2, MQTT-4.6.0-3]',
    )
  })
}

t.test('topics are compared as they are: case, spaces, empty levels [MQTT-4.7.3-4]', async (t) => {
  const [alice, bob] = [await join(t), await join(t)]
  await subscribe(bob, ['t/Case', 1], ['t//empty', 1], ['t/+/tail', 1], ['t/a b', 1])
  for (const topic of ['t/case', 't/Case', 't//empty', 't/empty', 't//tail', 't/a b', 't/a b/']) {
    alice.send(message(topic, 'x', { messageId: 1 + alice.of('puback').length }))
    await alice.wait('puback', 1 + alice.of('puback').length)
  }
  t.same(
    (await settled(bob)).map(({ topic }) => topic),
    ['t/Case', 't//empty', 't//tail', 't/a b'],
  )
})

t.test('t/# hears of t/a/b, and + of one level only [MQTT-4.7.1-2, MQTT-4.7.1-3]', async (t) => {
  const [alice, bob] = [await join(t), await join(t)]
  await subscribe(bob, ['t/lv/#', 0], ['t/+/one', 0])
  for (const topic of ['t/lv', 't/lv/a', 't/lv/a/b', 't/x/one', 't/x/one/two', 't/other']) {
    alice.send(message(topic, 'x', { qos: 0 }))
  }
  t.same(
    (await settled(bob)).map(({ topic }) => topic),
    ['t/lv', 't/lv/a', 't/lv/a/b', 't/x/one'],
  )
})

t.test('any bytes are a payload, up to the largest packet', async (t) => {
  const [alice, bob] = [await join(t), await join(t)]
  await subscribe(bob, ['t/bytes', 1])
  const payload = Buffer.alloc(200_000, Buffer.from([0, 255, 128, 10]))
  alice.send(publishPacket('t/bytes', payload, 5))
  const [received] = await bob.wait('publish')
  t.ok(payload.equals(received?.payload as Buffer))
})

t.test('a publisher that closes without DISCONNECT loses nothing of what it sent', async (t) => {
  const [alice, bob] = [await join(t), await join(t)]
  await subscribe(bob, ['t/last/#', 1])
  alice.send(
    ...[1, 2, 3].map((n) => message(`t/last/${n}`, 'x', { messageId: n, qos: n % 2 ? 1 : 0 })),
  )
  alice.stream.end()
  await bob.wait('publish', 3)
})
