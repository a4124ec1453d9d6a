// What MQTT 5 says of a message of a plain topic reaches who speaks MQTT 5, however it gets there,
// and nobody else sees any of it.

import { Buffer } from 'node:buffer'
import t from 'tap'
import { bytesOf, field } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { heard, kept, publish, startModes, subscribe } from './plain-level5.ts'

const properties = {
  payloadFormatIndicator: true,
  contentType: 'text/plain; ä',
  responseTopic: 't/answers/ä',
  correlationData: Buffer.of(0, 1, 255),
  userProperties: { b: ['2', '1'], a: 'ä' },
}

for (const mode of await startModes(t)) {
  t.test(mode.name, async (t) => {
    t.test('properties pass unchanged [MQTT5-3.3.2-4, -15, -16, -17, -18, -20]', async (t) => {
      const bob = await mode.join(t, 'bob')
      const old = await mode.join(t, 'old', {}, { level: 4 })
      await subscribe(bob, ['t/a'])
      await subscribe(old, ['t/a'])
      const alice = await mode.join(t, 'alice')
      for (const qos of [0, 1, 2] as const) {
        alice.send({
          cmd: 'publish',
          topic: 't/a',
          payload: `at ${qos}`,
          qos,
          dup: false,
          retain: false,
          messageId: 10,
          properties,
        })
        const [got] = (await bob.wait('publish', qos + 1)).slice(-1)
        t.match(got, { topic: 't/a', payload: Buffer.from(`at ${qos}`), qos: Math.min(qos, 1) })
        t.same({ ...got?.properties }, properties)
        const [other] = (await old.wait('publish', qos + 1)).slice(-1)
        t.same(other?.payload, Buffer.from(`at ${qos}`))
      }
    })

    t.test('user properties keep their order, byte by byte [MQTT5-3.3.2-18]', async (t) => {
      const bob = await mode.join(t, 'bob')
      await subscribe(bob, ['t/order'])
      await heard(bob)
      const got: Buffer[] = []
      bob.stream.on('data', (chunk: Buffer) => got.push(chunk))
      const alice = await mode.join(t, 'alice')
      const pairs = ['b1', 'a2', 'b3', 'a2'].map((pair) => [pair.slice(0, 1), pair.slice(1)])
      const written = pairs.map(([name, value]) =>
        Buffer.concat([Buffer.of(38), field(name as string), field(value as string)]),
      )
      const block = Buffer.concat(written)
      const rest = Buffer.concat([Buffer.of(block.length), block, Buffer.from('x')])
      alice.send(bytesOf(0x30, field('t/order'), rest))
      await bob.wait('publish')
      t.same(Buffer.concat(got), bytesOf(0x30, field('t/order'), rest))
    })

    t.test('a message of an older client has no properties', async (t) => {
      const bob = await mode.join(t, 'bob')
      await subscribe(bob, ['t/b'])
      const old = await mode.join(t, 'old', {}, { level: 4 })
      for (const payload of ['', 'x', Buffer.alloc(20_000, 7), Buffer.of(0, 1, 2)]) {
        const before = bob.of('publish').length
        await publish(old, 't/b', payload)
        const got = (await bob.wait('publish', before + 1)).at(-1)
        t.same(got?.payload, Buffer.from(payload as string))
        t.notOk(got?.properties)
      }
    })

    t.test('retained messages keep their properties', async (t) => {
      const alice = await mode.join(t, 'alice')
      await publish(alice, 't/kept/1', 'x', { retain: true, properties })
      const bob = await mode.join(t, 'bob')
      await subscribe(bob, ['t/kept/+'])
      const [got] = await bob.wait('publish')
      t.match(got, { topic: 't/kept/1', retain: true, payload: Buffer.from('x') })
      t.same({ ...got?.properties }, properties)
      const old = await mode.join(t, 'old', {}, { level: 4 })
      await subscribe(old, ['t/kept/+'])
      t.match(await old.wait('publish'), [{ retain: true, payload: Buffer.from('x') }])
      await publish(alice, 't/kept/1', '', { retain: true, properties })
      const late = await mode.join(t, 'late')
      await subscribe(late, ['t/kept/+'])
      t.same(await heard(late), [], 'an empty payload removes it all the same [MQTT-3.3.1-10]')
    })

    t.test('messages that wait for a device keep their properties', async (t) => {
      const bob = await mode.join(t, 'bob', kept(100, true))
      await subscribe(bob, ['t/c'])
      bob.stream.destroy()
      const alice = await mode.join(t, 'alice')
      await publish(alice, 't/c', 'x', { properties })
      const again = await mode.join(t, 'bob', kept(), { acknowledge: false })
      const [got] = await again.wait('publish')
      t.same({ ...got?.properties }, properties)
      again.stream.destroy()
      const third = await mode.join(t, 'bob', kept(0))
      const [repeated] = await third.wait('publish')
      t.match(repeated, { dup: true, payload: Buffer.from('x') })
      t.same({ ...repeated?.properties }, properties)
    })

    t.test('a message is as old as it says [MQTT5-3.3.2-6]', async (t) => {
      const bob = await mode.join(t, 'bob', kept(100, true))
      await subscribe(bob, ['t/d'])
      const alice = await mode.join(t, 'alice')
      const at = Date.now()
      const lasting = { ...properties, messageExpiryInterval: 100 }
      await publish(alice, 't/d', 'now', { properties: lasting })
      const [first] = await bob.wait('publish')
      t.equal(first?.properties?.messageExpiryInterval, 100, 'what has not waited has all its time')
      bob.stream.destroy()
      await publish(alice, 't/d', 'kept', { retain: true, properties: lasting })
      await until('some time has passed', () => Date.now() > at + 1500)
      const again = await mode.join(t, 'bob', kept(0))
      const queued = (await again.wait('publish')).at(-1)
      t.match(queued, { payload: Buffer.from('kept'), retain: false })
      await subscribe(again, ['t/d'])
      const retained = (await again.wait('publish', 2)).at(-1)
      t.match(retained, { payload: Buffer.from('kept'), retain: true })
      for (const message of [queued, retained]) {
        const left = message?.properties?.messageExpiryInterval ?? 0
        t.ok(left < 100 && left >= 90, `${left} s are left`)
        t.same({ ...message?.properties, messageExpiryInterval: 100 }, lasting)
      }
    })

    t.test('a message that is over is not delivered any more [MQTT5-3.3.2-5]', async (t) => {
      const bob = await mode.join(t, 'bob', kept(100, true))
      await subscribe(bob, ['t/e/#'])
      bob.stream.destroy()
      const alice = await mode.join(t, 'alice')
      const at = Date.now()
      const short = { messageExpiryInterval: 1 }
      await publish(alice, 't/e/1', 'short', { retain: true, properties: short })
      await publish(alice, 't/e/2', 'long', { retain: true })
      await until('it is over', () => Date.now() > at + 1000)
      const again = await mode.join(t, 'bob', kept(0))
      t.match(await again.wait('publish'), [{ payload: Buffer.from('long') }])
      const late = await mode.join(t, 'late')
      await subscribe(late, ['t/e/#'])
      const old = await mode.join(t, 'old', {}, { level: 4 })
      await subscribe(old, ['t/e/#'])
      for (const client of [again, late, old]) {
        t.same(
          (await heard(client)).map(({ payload }) => `${payload}`),
          ['long'],
        )
      }
    })

    t.test(
      'a payload that is not the UTF-8 it says it is is refused [MQTT5 3.3.2.3.2]',
      async (t) => {
        const bob = await mode.join(t, 'bob')
        await subscribe(bob, ['t/f'])
        const alice = await mode.join(t, 'alice')
        const is = { payloadFormatIndicator: true }
        t.equal(await publish(alice, 't/f', Buffer.of(0xc3), { properties: is }), 0x99)
        alice.send({
          cmd: 'publish',
          topic: 't/f',
          payload: Buffer.of(0xff),
          qos: 2,
          messageId: 9,
          dup: false,
          retain: false,
          properties: is,
        })
        t.match(await alice.wait('pubrec'), [{ messageId: 9, reasonCode: 0x99 }])
        t.equal(await publish(alice, 't/f', Buffer.of(0xc3), {}), 0)
        t.equal(await publish(alice, 't/f', 'ä', { properties: is }), 0)
        t.equal((await heard(bob)).length, 2)
      },
    )
  })
}
