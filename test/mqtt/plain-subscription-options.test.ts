// Options and identifiers of subscriptions to plain topics: who gets what, with which flag and
// which identifiers.

import { Buffer } from 'node:buffer'
import type { IPublishPacket } from 'mqtt-packet'
import t from 'tap'
import { heard, kept, publish, startModes, subscribe } from './plain-level5.ts'

const texts = (packets: readonly IPublishPacket[]) => packets.map(({ payload }) => `${payload}`)

/** The identifiers of a message, in order. */
function identifiersOf(packet: IPublishPacket | undefined): number[] {
  const given = packet?.properties?.subscriptionIdentifier ?? []
  return [given].flat().sort((a, b) => a - b)
}

for (const mode of await startModes(t)) {
  t.test(mode.name, async (t) => {
    t.test('with No Local nobody hears itself [MQTT5-3.8.3-3]', async (t) => {
      for (const fields of [{}, kept(100, true)]) {
        const bob = await mode.join(t, 'bob', fields)
        await subscribe(bob, [{ topic: 't/a', nl: true, qos: 2 }])
        const alice = await mode.join(t, 'alice')
        for (const qos of [0, 1] as const) {
          await publish(bob, 't/a', 'own', { qos: 1 })
          bob.send({
            cmd: 'publish',
            topic: 't/a',
            payload: 'own',
            qos: 0,
            dup: false,
            retain: false,
          })
          await publish(alice, 't/a', `${qos}`)
        }
        await bob.wait('publish', 2)
        t.same(texts(await heard(bob)), ['0', '1'])
      }
      const again = await mode.join(t, 'bob', kept(0))
      t.same(await heard(again), [], 'nothing of it waits')
    })

    t.test('another filter without No Local lets it through, at its own QoS', async (t) => {
      const bob = await mode.join(t, 'bob')
      await subscribe(bob, [{ topic: 't/b', nl: true, qos: 2 }], 1)
      await subscribe(bob, [{ topic: 't/+', qos: 0 }], 2)
      await publish(bob, 't/b', 'own')
      const [got] = await bob.wait('publish')
      t.equal(got?.qos, 0)
      t.same(identifiersOf(got), [2], 'without the identifier of the other')
      t.equal((await heard(bob)).length, 1)
    })

    t.test('a retained message of its own is not sent for a filter with No Local', async (t) => {
      const bob = await mode.join(t, 'bob')
      await publish(bob, 't/own', 'own', { retain: true })
      await subscribe(bob, [{ topic: 't/own', nl: true }])
      t.same(await heard(bob), [])
      const alice = await mode.join(t, 'alice')
      await subscribe(alice, [{ topic: 't/own', nl: true }])
      t.same(texts(await alice.wait('publish')), ['own'])
      await publish(alice, 't/own', '', { retain: true })
    })

    t.test('Retain As Published keeps the flag [MQTT5-3.3.1-12, MQTT5-3.3.1-13]', async (t) => {
      const alice = await mode.join(t, 'alice')
      for (const fields of [{}, kept(100, true)]) {
        const bob = await mode.join(t, 'bob', fields)
        const carol = await mode.join(t, 'carol', fields)
        await subscribe(bob, [{ topic: 't/c', rap: true, qos: 1 }])
        await subscribe(carol, [{ topic: 't/c', rap: false, qos: 1 }])
        await publish(alice, 't/c', 'kept', { retain: true })
        await publish(alice, 't/c', 'not')
        alice.send({ cmd: 'publish', topic: 't/c', payload: '', qos: 0, dup: false, retain: true })
        const flags = async (client: typeof bob) =>
          (await client.wait('publish', 3)).map(({ retain }) => retain)
        t.same(await flags(bob), [true, false, true])
        t.same(await flags(carol), [false, false, false])
      }
    })

    t.test('Retain As Published holds for what waits, and is acknowledged as usual', async (t) => {
      const alice = await mode.join(t, 'alice')
      const bob = await mode.join(t, 'waits', kept(100, true))
      await subscribe(bob, [{ topic: 't/d', rap: true }])
      await publish(alice, 't/d', 'live', { retain: true })
      await bob.wait('publish')
      await heard(bob)
      bob.stream.destroy()
      await publish(alice, 't/d', 'later', { retain: true })
      const again = await mode.join(t, 'waits', kept(100))
      t.match(await again.wait('publish'), [
        { payload: Buffer.from('later'), retain: true, dup: false },
      ])
      await heard(again)
      again.stream.destroy()
      const third = await mode.join(t, 'waits', kept(0))
      t.same(await heard(third), [], 'nothing is sent twice')
      await publish(alice, 't/d', '', { retain: true })
    })

    t.test(
      'Retain Handling says when retained messages are sent [MQTT5-3.3.1-9, -10, -11]',
      async (t) => {
        const alice = await mode.join(t, 'alice')
        await publish(alice, 't/r/1', 'retained', { retain: true })
        const bob = await mode.join(t, 'bob', kept(100, true))
        const count = async (topic: string, rh: 0 | 1 | 2) => {
          const before = (await heard(bob)).length
          await subscribe(bob, [{ topic, rh }])
          return (await heard(bob)).length - before
        }
        t.equal(await count('t/r/1', 2), 0, 'never')
        t.equal(await count('t/r/1', 1), 0, 'not for one that is there already')
        t.equal(await count('t/r/1', 0), 1, 'always')
        t.equal(await count('t/r/+', 1), 1, 'for a new one')
        t.equal(await count('t/r/+', 1), 0)
        bob.stream.destroy()
        const again = await mode.join(t, 'bob', kept(0))
        await subscribe(again, [{ topic: 't/r/+', rh: 1 }])
        t.same(await heard(again), [], 'nor for one of an earlier connection')
        const carol = await mode.join(t, 'carol')
        await subscribe(carol, [
          { topic: 't/r/1', rh: 2 },
          { topic: 't/r/#', rh: 0 },
        ])
        t.equal((await heard(carol)).length, 1, 'each filter speaks for itself')
        await publish(alice, 't/r/1', '', { retain: true })
      },
    )

    t.test(
      'a message has the identifiers of all filters that match [MQTT5-3.3.4-3, -4]',
      async (t) => {
        const alice = await mode.join(t, 'alice')
        const bob = await mode.join(t, 'bob', kept(100, true))
        await subscribe(bob, ['t/i/+'], 268_435_455)
        await subscribe(bob, ['t/i/1'], 7)
        await subscribe(bob, [{ topic: 't/#', qos: 0 }])
        await publish(alice, 't/i/1', 'both')
        await publish(alice, 't/i/2', 'one')
        await publish(alice, 't/other', 'none')
        const got = await bob.wait('publish', 3)
        t.same(got.map(identifiersOf), [[7, 268_435_455], [268_435_455], []])
        t.same(texts(await heard(bob)), ['both', 'one', 'none'], 'each comes once')
        await subscribe(bob, ['t/i/+'])
        await publish(alice, 't/i/1', 'changed')
        const [changed] = (await bob.wait('publish', 4)).slice(3)
        t.same(identifiersOf(changed), [7], 'an equal filter replaces the identifier too')
        bob.stream.destroy()
        await publish(alice, 't/i/1', 'queued')
        const again = await mode.join(t, 'bob', kept(100))
        t.same((await again.wait('publish')).map(identifiersOf), [[7]], 'known after a reconnect')
        again.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['t/i/1', 't/none'] })
        t.match(await again.wait('unsuback'), [{ granted: [0, 0x11] }])
        await publish(alice, 't/i/1', 'without')
        t.same((await again.wait('publish', 2)).map(identifiersOf), [[7], []])
        await subscribe(again, ['t/i/1'], 8)
        again.stream.destroy()
        const old = await mode.join(t, 'bob', { clean: false }, { level: 4 })
        await publish(alice, 't/i/1', 'old')
        t.same(texts(await old.wait('publish')).at(-1), 'old')
      },
    )

    t.test('a retained message has the identifier of the filter that asked for it', async (t) => {
      const alice = await mode.join(t, 'alice')
      await publish(alice, 't/id/1', 'x', { retain: true, properties: { contentType: 'y' } })
      const bob = await mode.join(t, 'bob', kept(100, true), { acknowledge: false })
      await subscribe(bob, ['t/id/+'], 1)
      await subscribe(bob, ['t/id/1'], 200)
      const got = await bob.wait('publish', 2)
      t.same(got.map(identifiersOf), [[1], [200]])
      t.match(got, [{ properties: { contentType: 'y' } }, { properties: { contentType: 'y' } }])
      bob.stream.destroy()
      const again = await mode.join(t, 'bob', kept(0))
      const repeated = await again.wait('publish', 2)
      t.same(repeated.map(identifiersOf), [[1], [200]], 'also when it is sent again')
      t.ok(repeated.every(({ dup, retain }) => dup && retain))
      await publish(alice, 't/id/1', '', { retain: true })
    })

    t.test('the options of all filters of a SUBSCRIBE are kept', async (t) => {
      const bob = await mode.join(t, 'many', kept(100, true))
      await subscribe(bob, [
        { topic: 't/m/1', nl: true },
        { topic: 't/m/2', nl: true },
        { topic: 't/m/3', rap: true },
      ])
      bob.stream.destroy()
      const again = await mode.join(t, 'many', kept(0))
      const alice = await mode.join(t, 'alice')
      await publish(again, 't/m/1', 'own')
      await publish(again, 't/m/2', 'own')
      await publish(alice, 't/m/3', 'flagged', { retain: true })
      t.match(await again.wait('publish'), [{ payload: Buffer.from('flagged'), retain: true }])
      t.equal((await heard(again)).length, 1)
      await publish(alice, 't/m/3', '', { retain: true })
    })

    t.test('shared subscriptions are refused with 0x9E [MQTT5 3.9.3]', async (t) => {
      const bob = await mode.join(t, 'bob')
      t.equal(bob.of('connack')[0]?.properties?.sharedSubscriptionAvailable, false)
      t.same(await subscribe(bob, ['$share/group/t/a', { topic: 't/a', qos: 2 }]), [0x9e, 2])
      const alice = await mode.join(t, 'alice')
      await publish(alice, 't/a', 'x')
      t.equal((await bob.wait('publish')).length, 1)
    })
  })
}
