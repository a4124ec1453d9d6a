// What MQTT 3.1.1 says of subscriptions, on plain topics, on each way to the server: which topics a
// filter matches, filters that overlap, QoS, one code for each filter.

import t from 'tap'
import { isShallow } from '../../protocol/filters.ts'
import type { RawClient } from '../support/raw-client.ts'
import { publishPacket } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import {
  heard,
  leave,
  onEachWay,
  openWays,
  publish,
  subscribe,
  unsubscribe,
} from '../support/ways.ts'

const ways = await openWays(t)
const durable = { clean: false }

/** Filters below a root, the topics that are published to, and those that match. */
const matching: readonly (readonly [filter: string, matched: readonly string[]])[] = [
  ['a', ['a']],
  ['a/', ['a/']],
  ['+', ['a', 'b', '']],
  ['+/', ['a/', '/']],
  ['+/+', ['a/b', 'a/', '/a', '/']],
  ['a/+', ['a/b', 'a/']],
  ['+/a', ['/a']],
  ['/a', ['/a']],
  ['/+', ['/a', '/']],
  ['+/b/+', ['a/b/c', 'a/b/']],
  ['a//b', ['a//b']],
  ['a/+/b', ['a//b']],
  ['a/#', ['a', 'a/b', 'a/', 'a/b/c', 'a/b/', 'a//b']],
  ['a/b/#', ['a/b', 'a/b/c', 'a/b/']],
  ['+/#', ['a', 'b', '', 'a/b', 'a/', 'a/b/c', 'a/b/', 'a//b', '/a', '/']],
]
const topics = ['a', 'b', '', 'a/b', 'a/', 'a/b/c', 'a/b/', 'a//b', '/a', '/']

/** What of the topics below a root came, in the order of `topics`. */
const below = (client: RawClient, root: string) =>
  client
    .of('publish')
    .map(({ topic }) => topic.slice(root.length + 1))
    .filter((topic) => topic !== 'end/')
    .sort((a, b) => topics.indexOf(a) - topics.indexOf(b))

for (const qos of [0, 1] as const) {
  onEachWay(t, ways, {
    title: `filters match topics, empty levels among them, at QoS ${qos} [MQTT-4.7.1-2, 4.7.1-3]`,
    async run(t, way, name) {
      const root = `t/${name}-${qos}`
      const clients: RawClient[] = []
      for (const [index, [filter]] of matching.entries()) {
        const client = await way.join(t, `${name}-${qos}-${index}`)
        await subscribe(client, [`${root}/${filter}`, qos], [`${root}/end/`, qos])
        clients.push(client)
      }
      await publish(
        t,
        way,
        ...[...topics, 'end/'].map((topic) => ({ topic: `${root}/${topic}`, payload: 'x', qos })),
      )
      for (const [index, [filter, matched]] of matching.entries()) {
        const client = clients[index] as RawClient
        await client.wait('publish', matched.length + 1)
        t.same(below(client, root), matched, filter)
      }
    },
  })
}

onEachWay(t, ways, {
  title: 'they match the same topics of retained messages [MQTT-4.7.1-2, 4.7.1-3]',
  async run(t, way, name) {
    const root = `t/${name}`
    const messages = topics.map((topic) => ({ topic: `${root}/${topic}`, payload: 'x' }))
    await publish(t, way, ...messages.map((message) => ({ ...message, retain: true })))
    for (const [filter, matched] of matching) {
      const client = await way.join(t, name)
      await subscribe(client, [`${root}/${filter}`, 1])
      await client.wait('publish', matched.length)
      await subscribe(client, [`${root}/end/`, 1])
      await publish(t, way, { topic: `${root}/end/`, payload: 'end' })
      await client.wait('publish', matched.length + 1)
      t.same(below(client, root), matched, filter)
      await leave(client)
    }
    await publish(t, way, ...messages.map((it) => ({ ...it, retain: true, payload: '' })))
  },
})

onEachWay(t, ways, {
  title: 'they match the same topics of what waits for a client [MQTT-4.7.1-2, 4.7.1-3]',
  async run(t, way, name) {
    const root = `t/${name}`
    for (const [index, [filter]] of matching.entries()) {
      const client = await way.join(t, `${name}-${index}`, durable)
      await subscribe(client, [`${root}/${filter}`, 1], [`${root}/end/`, 1])
      await leave(client)
    }
    const messages = [...topics, 'end/'].map((topic) => ({
      topic: `${root}/${topic}`,
      payload: 'x',
    }))
    await publish(t, way, ...messages)
    for (const [index, [filter, matched]] of matching.entries()) {
      const client = await way.join(t, `${name}-${index}`, durable)
      await client.wait('publish', matched.length + 1)
      t.same(below(client, root), matched, filter)
    }
  },
})

onEachWay(t, ways, {
  title: 'filters that overlap deliver once, at the highest QoS [MQTT-3.3.5-1]',
  async run(t, way, name) {
    const root = `t/${name}`
    // The exact one, too, and whichever comes first.
    const orders = [
      [`${root}/a`, `${root}/+`, `${root}/#`],
      [`${root}/#`, `${root}/+`, `${root}/a`],
    ]
    for (const [index, [first = '', second = '', third = '']] of orders.entries()) {
      const client = await way.join(t, `${name}-${index}`, index === 0 ? {} : durable)
      await subscribe(client, [first, 0], [second, 2], [third, 1])
      const sent = ([0, 1, 2] as const).map((qos) => ({
        topic: `${root}/a`,
        payload: `${qos}`,
        qos,
      }))
      for (const message of sent) await publish(t, way, message)
      const got = await client.wait('publish', 3)
      t.same(got.map(({ payload, qos }) => `${payload} ${qos}`).sort(), ['0 0', '1 1', '2 2'])
      await unsubscribe(client, second)
      await publish(t, way, { topic: `${root}/a`, payload: 'lower', qos: 2 })
      t.match((await client.wait('publish', 4))[3], { qos: 1 }, 'the highest that is left')
    }
  },
})

onEachWay(t, ways, {
  title:
    'each filter of a SUBSCRIBE has its code, in order, equal ones too [MQTT-3.8.4-4, 3.9.3-1]',
  async run(t, way, name) {
    const client = await way.join(t, name)
    const deep = `t${'/x'.repeat(100)}`
    t.equal(isShallow(deep), false)
    const same = `t/${name}`
    const codes = await subscribe(
      client,
      [same, 0],
      [deep, 1],
      [same, 2],
      [`${same}/b`, 1],
      [same, 1],
    )
    t.same(codes, [0, 128, 2, 1, 1])
    await publish(t, way, { topic: same, payload: 'x', qos: 2 })
    t.match(await client.wait('publish'), [{ qos: 1 }], 'of equal ones the last counts')
  },
})

onEachWay(t, ways, {
  title:
    'a filter that comes again replaces itself, and retained messages come again [MQTT-3.8.4-3]',
  async run(t, way, name) {
    const topic = `t/${name}`
    await publish(t, way, { topic, payload: 'kept', retain: true, qos: 2 })
    const client = await way.join(t, name)
    for (const [round, qos] of ([2, 0, 1] as const).entries()) {
      await subscribe(client, [topic, qos])
      const got = await client.wait('publish', round * 2 + 1)
      t.match(
        got.at(-1),
        { retain: true, qos, payload: Buffer.from('kept') },
        'at the new QoS [MQTT-3.8.4-6]',
      )
      await publish(t, way, { topic, payload: 'live', qos: 2 })
      const live = await client.wait('publish', round * 2 + 2)
      t.match(live.at(-1), { retain: false, qos, payload: Buffer.from('live') })
    }
    t.equal(client.of('publish').length, 6, 'there is one subscription')
  },
})

onEachWay(t, ways, {
  title: 'a retained message comes at the lower QoS of it and the filter [MQTT-3.8.4-6]',
  async run(t, way, name) {
    const levels = [0, 1, 2] as const
    const topic = (qos: number) => `t/${name}/${qos}`
    for (const qos of levels)
      await publish(t, way, { topic: topic(qos), payload: 'x', qos, retain: true })
    for (const granted of levels) {
      const client = await way.join(t, `${name}-${granted}`)
      await subscribe(client, [`t/${name}/+`, granted])
      const got = await client.wait('publish', 3)
      for (const { topic: from, qos, retain } of got) {
        t.equal(qos, Math.min(Number(from.at(-1)), granted))
        t.equal(retain, true, '[MQTT-3.3.1-8]')
      }
    }
  },
})

onEachWay(t, ways, {
  title: 'UNSUBSCRIBE ends one filter and is always answered [MQTT-3.10.4-1, 3.10.4-4, 3.10.4-5]',
  async run(t, way, name) {
    const client = await way.join(t, name)
    const [a, b] = [`t/${name}/a`, `t/${name}/b`]
    await subscribe(client, [a, 1], [b, 1])
    await unsubscribe(client, a, `t/${name}/never`, `t${'/x'.repeat(100)}`)
    await publish(t, way, { topic: a, payload: 'a' }, { topic: b, payload: 'b' })
    await client.wait('publish')
    t.same(heard(client), ['b'])
  },
})

const trusted = ways.filter(({ isTrusted }) => isTrusted)

onEachWay(t, trusted, {
  title: 'wildcards at the beginning match no topic that begins with $ [MQTT-4.7.2-1]',
  async run(t, way, name) {
    const topic = `$own/${name}`
    await publish(t, way, { topic, payload: 'kept', retain: true })
    const away = await way.join(t, `${name}-away`, durable)
    const live = await way.join(t, name)
    for (const client of [away, live]) {
      await subscribe(client, [`+/${name}`, 1], [`+/${name}/#`, 1], [`#`, 1], [`end/${name}`, 1])
    }
    await leave(away)
    const named = await way.join(t, `${name}-named`)
    await subscribe(named, [`$own/#`, 1], [`$own/+/x`, 1])
    // The same server is used in other ways, before and after.
    const own = () => named.of('publish').filter((it) => it.topic === topic)
    await until('the retained message', () => own().length > 0)
    t.match(own(), [{ retain: true }])
    await publish(t, way, { topic, payload: 'live' }, { topic: `end/${name}`, payload: 'end' })
    await until('the new message', () => own().length > 1)
    const back = await way.join(t, `${name}-away`, durable)
    for (const client of [back, live]) {
      await client.wait('publish')
      t.same(
        client.of('publish').filter((it) => it.topic.startsWith('$')),
        [],
      )
    }
    await publish(t, way, { topic, payload: '', retain: true })
  },
})

onEachWay(t, ways, {
  title: 'filters have no room without end: what is too much is refused, the rest is served',
  async run(t, way, name) {
    const client = await way.join(t, name)
    // Each has a hundred levels, and shares nothing with the others.
    const bombs = Array.from({ length: 1200 }, (_, index) => `t/${name}/${index}${'/+'.repeat(97)}`)
    const codes: unknown[] = []
    for (let at = 0; at < bombs.length; at += 300) {
      const part = bombs.slice(at, at + 300).map((filter) => [filter, 1] as const)
      codes.push(...(await subscribe(client, ...part)))
    }
    const taken = codes.filter((code) => code === 1).length
    t.ok(taken > 10 && taken < 1200, `${taken} are taken`)
    t.same(new Set(codes.slice(taken)), new Set([128]))
    t.same(await subscribe(client, [bombs[0] as string, 0]), [0], 'what is there may change')
    await unsubscribe(client, ...bombs.slice(0, taken))
    t.same(await subscribe(client, [`t/${name}/x`, 1]), [1], 'and go')
    client.send(publishPacket(`t/${name}/x`, 'heard', 1))
    await client.wait('publish')
  },
})
