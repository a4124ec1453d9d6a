// How long and how deep topics and filters may be, on each way to the server, and that nobody is
// harmed by them: not by long ones, not by deep ones, not by many.

import t from 'tap'
import { topicBytesMax, topicLevelsMax } from '../../protocol/limits.ts'
import { farewell, noProperties, returnCodeOf } from '../support/level.ts'
import { bytesOf, field, publishPacket } from '../support/raw-client.ts'
import {
  heard,
  leave,
  onEachWay,
  openWays,
  publish,
  settle,
  subscribe,
  unsubscribe,
} from '../support/ways.ts'

const ways = await openWays(t)
const durable = { clean: false }

/** A topic of this many bytes below a name. */
const long = (name: string, bytes: number) => `t/${name}/`.padEnd(bytes, 'x')
/** A topic of this many levels below a name. */
const deep = (name: string, levels: number) => `t/${name}${'/x'.repeat(levels - 2)}`

onEachWay(t, ways, {
  title: 'topics and filters may have 65,535 bytes, and as many as 100 levels [MQTT-4.7.3-3]',
  async run(t, way, name) {
    const cases = [long(name, topicBytesMax), deep(name, topicLevelsMax)]
    for (const [index, topic] of cases.entries()) {
      await publish(t, way, { topic, payload: 'kept', retain: true })
      const client = await way.join(t, `${name}-${index}`, durable)
      const above = topic.slice(0, topic.lastIndexOf('/'))
      const [plus, open] = [`${above}/+`, `${above}/#`]
      t.same(await subscribe(client, [topic, 1], [plus, 1], [open, 0]), [1, 1, 0])
      await client.wait('publish', 3)
      await publish(t, way, { topic, payload: 'live' })
      t.match((await client.wait('publish', 4))[3], { topic, qos: 1 })
      await unsubscribe(client, topic, open)
      await leave(client)
      await publish(t, way, { topic, payload: 'waited' })
      const back = await way.join(t, `${name}-${index}`, durable)
      await publish(t, way, { topic, payload: '', retain: true })
      await back.wait('publish', 2)
      t.same(heard(back), ['waited', ''])
    }
  },
})

onEachWay(t, ways, {
  title: 'a topic of 101 levels ends its connection, and no other',
  async run(t, way, name) {
    const neighbour = await way.join(t, `${name}-neighbour`)
    await subscribe(neighbour, [`t/${name}/#`, 1])
    for (const topic of [deep(name, topicLevelsMax + 1), `t/${name}${'/'.repeat(65_000)}`]) {
      for (const messageId of [0, 1]) {
        const client = await way.join(t, name)
        client.send(publishPacket(topic, 'x', messageId), { cmd: 'pingreq' })
        await client.closed()
        const kinds = client.packets.map(({ cmd }) => cmd)
        t.same(kinds, ['connack', ...farewell], 'nothing is answered')
      }
    }
    await publish(t, way, { topic: `t/${name}`, payload: 'end' })
    await neighbour.wait('publish')
    t.same(heard(neighbour), ['end'])
  },
})

onEachWay(t, ways, {
  title: 'a will of 101 levels is not taken',
  async run(t, way, name) {
    const will = { topic: deep(name, topicLevelsMax + 1), payload: Buffer.from('x') }
    const client = await way.open(t)
    client.send(await way.connect(name, { will: { ...will, qos: 0, retain: false } }))
    await client.closed()
    t.not(returnCodeOf(client.of('connack')[0]), 0)
  },
})

onEachWay(t, ways, {
  title: 'a filter of 101 levels is refused, and the others of its SUBSCRIBE are not',
  async run(t, way, name) {
    const client = await way.join(t, name)
    const bottomless = `t/${name}${'/'.repeat(65_000)}`
    const plus = `t${'/+'.repeat(topicLevelsMax)}`
    const deepest = deep(name, topicLevelsMax + 1)
    const codes = await subscribe(
      client,
      [deepest, 1],
      [`t/${name}`, 1],
      [plus, 2],
      [bottomless, 0],
    )
    t.same(codes, [128, 1, 128, 128], '[MQTT-3.9.3-1]')
    await unsubscribe(client, deepest, bottomless, plus)
    client.send(publishPacket(`t/${name}`, 'x', 1))
    await client.wait('publish')
  },
})

const normal = ways.filter(({ isTrusted }) => !isTrusted)

onEachWay(t, normal, {
  title: 'filters that all but match a deep topic, by the hundred, hold nobody up',
  async run(t, way, name) {
    // They differ at once and match to the last level but one: the most there is to compare.
    const bombs = Array.from({ length: 256 }, (_, index) => {
      const bits = index.toString(2).padStart(8, '0').replaceAll('0', '+').replaceAll('1', 'x')
      return [`t/+/${[...bits].join('/')}${'/x'.repeat(topicLevelsMax - 11)}/end`, 1] as const
    })
    for (let n = 0; n < 8; n++) await subscribe(await way.join(t, `${name}-bomb-${n}`), ...bombs)
    const publisher = await way.join(t, `${name}-publisher`)
    const neighbour = await way.join(t, `${name}-neighbour`)
    const topic = deep(name, topicLevelsMax)
    let slowest = 0
    for (let n = 0; n < 10; n++) {
      publisher.send(...Array.from({ length: 5 }, (_, id) => publishPacket(topic, 'x', id + 1)))
      const began = performance.now()
      await settle(neighbour)
      slowest = Math.max(slowest, performance.now() - began)
      await publisher.wait('puback', 5 * (n + 1))
    }
    t.ok(slowest < 1000, `a ping was answered after ${Math.round(slowest)} ms at most`)
  },
})

onEachWay(t, ways, {
  title: 'a thousand filters in one SUBSCRIBE hold nobody up',
  async run(t, way, name) {
    const neighbour = await way.join(t, `${name}-neighbour`)
    const client = await way.join(t, name, durable)
    const entry = (n: number) => Buffer.concat([field(`t/${name}/${n}`), Buffer.of(1)])
    const filters = Array.from({ length: 1000 }, (_, n) => entry(n % 800))
    client.send(bytesOf(0x82, Buffer.of(0, 1), noProperties, ...filters))
    await settle(neighbour)
    const [answer] = await client.wait('suback')
    t.equal(answer?.granted.length, 1000)
    await subscribe(client, [`t/${name}/0`, 1])
    client.send(publishPacket(`t/${name}/0`, 'x', 1))
    await client.wait('publish')
  },
})
