// What a client of MQTT 5 can take: so many messages at a time, packets of so many bytes, topic
// aliases. And answers of its own that say no.

import { Buffer } from 'node:buffer'
import type { IConnectPacket, IPublishPacket } from 'mqtt-packet'
import mqtt from 'mqtt-packet'
import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { bytesOf } from '../support/raw-client.ts'
import { heard, kept, publish, startModes, subscribe } from './plain-level5.ts'

type Properties = NonNullable<IConnectPacket['properties']>

/** A durable client that says what it can take, and acknowledges when told to. */
function taking(properties: Properties, clean = true) {
  return { clean, properties: { sessionExpiryInterval: 100, ...properties } }
}

const texts = (packets: readonly IPublishPacket[]) => packets.map(({ payload }) => `${payload}`)
const silent = { acknowledge: false }

function acknowledge(client: RawClient, packet: IPublishPacket | undefined): void {
  client.send({ cmd: 'puback', messageId: packet?.messageId ?? 0, reasonCode: 0 })
}

for (const mode of await startModes(t)) {
  t.test(mode.name, async (t) => {
    t.test('no more messages are under way than a client takes [MQTT5-3.3.4-9]', async (t) => {
      for (const maximum of [1, 2, 5]) {
        const bob = await mode.join(t, 'bob', taking({ receiveMaximum: maximum }), silent)
        await subscribe(bob, [
          { topic: 't/a', qos: 1 },
          { topic: 't/0', qos: 0 },
        ])
        const alice = await mode.join(t, 'alice')
        for (let i = 0; i < 12; i++) await publish(alice, 't/a', `${i}`)
        await publish(alice, 't/0', 'at once')
        for (let done = 0; done < 12; done++) {
          const got = (await heard(bob)).filter(({ qos }) => qos === 1)
          t.equal(got.length, Math.min(done + maximum, 12))
          acknowledge(bob, got[done])
        }
        const all = await heard(bob)
        t.equal(all.filter(({ qos }) => qos === 0).length, 1, 'QoS 0 does not count')
        t.same(texts(all.filter(({ qos }) => qos === 1)), [...Array(12).keys()].map(String))
      }
    })

    t.test('retained messages and queues come no faster either', async (t) => {
      const alice = await mode.join(t, 'alice')
      for (let i = 0; i < 6; i++) await publish(alice, `t/r/${i}`, `${i}`, { retain: true })
      const bob = await mode.join(t, 'bob', taking({ receiveMaximum: 2 }), silent)
      await subscribe(bob, ['t/r/+', 't/q'])
      t.equal((await bob.wait('publish', 2)).length, 2)
      t.equal((await heard(bob)).length, 2)
      bob.stream.destroy()
      for (let i = 0; i < 30; i++) await publish(alice, 't/q', `q${i}`)
      const again = await mode.join(t, 'bob', taking({ receiveMaximum: 2 }, false), silent)
      const seen: string[] = []
      for (let done = 0; seen.at(-1) !== 'new'; done++) {
        const next = (await again.wait('publish', done + 1))[done]
        const { length } = await heard(again)
        if (length > done + 2) t.fail(`${length - done} are under way`)
        seen.push(`${next?.payload}`)
        if (done === 10) await publish(alice, 't/q', 'new')
        acknowledge(again, next)
      }
      const queued = seen.filter((text) => text.startsWith('q'))
      t.same(
        queued,
        [...Array(30).keys()].map((i) => `q${i}`),
        'in order [MQTT-4.6.0-6]',
      )
      for (let i = 0; i < 6; i++) await publish(alice, `t/r/${i}`, '', { retain: true })
    })

    t.test('at QoS 2 PUBCOMP makes room, or a PUBREC that says no [MQTT5-4.3.3-4]', async (t) => {
      const bob = await mode.join(t, 'bob', taking({ receiveMaximum: 1 }), silent)
      await subscribe(bob, [{ topic: 't/2', qos: 2 }])
      const alice = await mode.join(t, 'alice')
      for (const [index, payload] of ['a', 'b', 'c'].entries()) {
        alice.send({
          cmd: 'publish',
          topic: 't/2',
          payload,
          qos: 2,
          messageId: index + 1,
          dup: false,
          retain: false,
        })
      }
      await alice.wait('pubrec', 3)
      const first = (await heard(bob)).map(({ messageId = 0 }) => messageId)
      t.equal(first.length, 1)
      bob.send({ cmd: 'pubrec', messageId: first[0] ?? 0, reasonCode: 0 })
      await bob.wait('pubrel')
      t.equal((await heard(bob)).length, 1, 'it is still under way')
      bob.send({ cmd: 'pubcomp', messageId: first[0] ?? 0, reasonCode: 0 })
      const [, second] = await bob.wait('publish', 2)
      bob.send({ cmd: 'pubrec', messageId: second?.messageId ?? 0, reasonCode: 0x83 })
      await bob.wait('publish', 3)
      t.equal((await heard(bob)).length, 3)
      t.equal(bob.of('pubrel').length, 1, 'there is no PUBREL for what was refused')
      bob.stream.destroy()
      const again = await mode.join(t, 'bob', kept(0))
      t.same(texts(await again.wait('publish')), ['c'], 'nor does it come again')
    })

    t.test('PUBREL of what nobody knows is answered with 0x92', async (t) => {
      const alice = await mode.join(t, 'alice')
      await publish(alice, 't/x', 'x')
      alice.send({ cmd: 'pubrel', messageId: 77, reasonCode: 0 })
      t.match(await alice.wait('pubcomp'), [{ messageId: 77, reasonCode: 0x92 }])
    })

    t.test('a message larger than a client takes is not sent [MQTT5-3.1.2-24, -25]', async (t) => {
      const bob = await mode.join(t, 'bob', taking({ maximumPacketSize: 100 }), silent)
      await subscribe(bob, [{ topic: 't/large', qos: 1 }])
      const alice = await mode.join(t, 'alice')
      const fitting = 100 - 2 - 2 - 't/large'.length - 2 - 1
      for (const length of [fitting, fitting + 1]) {
        await publish(alice, 't/large', Buffer.alloc(length, 'x'))
      }
      await publish(alice, 't/large', 'x', { properties: { contentType: 'y'.repeat(100) } })
      await publish(alice, 't/large', 'small')
      const got = await heard(bob)
      t.same(
        got.map(({ length }) => length),
        [98, 98 - fitting + 5],
      )
      for (const packet of got) acknowledge(bob, packet)
      await heard(bob)
      bob.stream.destroy()
      const again = await mode.join(t, 'bob', kept(0))
      t.same(await heard(again), [], 'nor later')
    })

    t.test('topic aliases are resolved, and used [MQTT5 3.3.2.3.4]', async (t) => {
      const bob = await mode.join(t, 'bob', taking({ topicAliasMaximum: 1 }))
      await subscribe(bob, [{ topic: 't/ä/+', qos: 1 }])
      const alice = await mode.join(t, 'alice')
      const topicAlias = 1
      await publish(alice, 't/ä/1', 'one', { properties: { topicAlias } })
      await publish(alice, '', 'two', { properties: { topicAlias, contentType: 'x' } })
      await publish(alice, 't/ä/2', 'three')
      const got = await bob.wait('publish', 3)
      t.match(got, [
        { topic: 't/ä/1', payload: Buffer.from('one'), properties: { topicAlias: 1 } },
        { topic: '', payload: Buffer.from('two'), properties: { topicAlias: 1, contentType: 'x' } },
        { topic: 't/ä/2', payload: Buffer.from('three') },
      ])
      const old = await mode.join(t, 'old', {}, { level: 4 })
      await subscribe(old, ['t/ä/+'])
      await publish(alice, '', 'four', { properties: { topicAlias } })
      t.match(await old.wait('publish'), [{ topic: 't/ä/1', payload: Buffer.from('four') }])
    })

    t.test('answers of level 5 are understood in all their lengths', async (t) => {
      const bob = await mode.join(t, 'bob', taking({ receiveMaximum: 1 }), silent)
      await subscribe(bob, ['t/a'])
      const alice = await mode.join(t, 'alice')
      for (const [index, tail] of [
        [],
        [0],
        [0x10],
        [0x80],
        [0, 0],
        [0, 4, 0x1f, 0, 1, 65],
      ].entries()) {
        await publish(alice, 't/a', `${index}`)
        const { messageId = 0 } = (await bob.wait('publish', index + 1)).at(-1) ?? {}
        bob.send(bytesOf(0x40, messageId >> 8, messageId & 0xff, Buffer.from(tail)))
      }
      await heard(bob)
      bob.stream.destroy()
      const again = await mode.join(t, 'bob', kept(0))
      t.same(await heard(again), [])
    })

    t.test('a client of level 5 gets no byte that its level does not have', async (t) => {
      const bob = await mode.join(t, 'bob')
      const bytes: Buffer[] = []
      bob.stream.on('data', (chunk: Buffer) => bytes.push(chunk))
      await subscribe(bob, ['t/bytes'])
      const alice = await mode.join(t, 'alice')
      await publish(alice, 't/bytes', 'x', { properties: { messageExpiryInterval: 9 } })
      await bob.wait('publish')
      const suback = Buffer.concat(bytes).subarray(0, 6)
      t.same([...suback.subarray(0, 2), ...suback.subarray(4)], [0x90, 4, 0, 1])
      const expected = mqtt.generate(
        {
          cmd: 'publish',
          topic: 't/bytes',
          payload: 'x',
          qos: 1,
          messageId: bob.of('publish')[0]?.messageId ?? 0,
          dup: false,
          retain: false,
          properties: { messageExpiryInterval: 9 },
        },
        { protocolVersion: 5 },
      )
      t.ok(Buffer.concat(bytes).subarray(6).equals(expected))
    })
  })
}
