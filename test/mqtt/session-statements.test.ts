// What MQTT 3.1.1 says of sessions, on plain topics, on each way to the server: what is present,
// what is kept, what is sent again and how, who takes over.

import type { Test } from 'tap'
import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { publishPacket } from '../support/raw-client.ts'
import type { Way } from '../support/ways.ts'
import { heard, leave, onEachWay, openWays, publish, settle, subscribe } from '../support/ways.ts'

const ways = await openWays(t)
const durable = { clean: false }
const silent = { clean: false, acknowledge: false }
const presence = (client: RawClient) => client.of('connack')[0]?.sessionPresent

/** Whether there is a session when the client comes back, after it did something. */
async function presentAfter(
  t: Test,
  [way, name]: readonly [Way, string],
  act: (client: RawClient) => Promise<void>,
): Promise<boolean | undefined> {
  const before = await way.join(t, name, durable)
  t.equal(presence(before), false, '[MQTT-3.2.2-3]')
  await act(before)
  await leave(before)
  const after = await way.join(t, name, durable)
  t.equal(after.packets[0]?.cmd, 'connack', 'CONNACK comes first [MQTT-3.2.0-1]')
  return presence(after)
}

onEachWay(t, ways, {
  title: 'a session with subscriptions is present [MQTT-3.2.2-2]',
  async run(t, way, name) {
    const act = async (client: RawClient) => void (await subscribe(client, [`t/${name}`, 0]))
    t.equal(await presentAfter(t, [way, name], act), true)
  },
})

onEachWay(t, ways, {
  title: 'a session that holds nothing is present [MQTT-3.2.2-2]',
  async run(t, way, name) {
    t.equal(await presentAfter(t, [way, name], settle), true)
  },
})

onEachWay(t, ways, {
  title: 'a session with nothing but QoS 2 state is present [MQTT-3.2.2-2]',
  async run(t, way, name) {
    const act = async (client: RawClient) => {
      client.send({ ...publishPacket(`t/${name}`, 'half', 7), qos: 2 })
      await client.wait('pubrec')
    }
    t.equal(await presentAfter(t, [way, name], act), true)
  },
})

onEachWay(t, ways, {
  title: 'a clean session is never present, and leaves none [MQTT-3.2.2-1, MQTT-3.1.2-6]',
  async run(t, way, name) {
    const before = await way.join(t, name, durable)
    await subscribe(before, [`t/${name}`, 1])
    await leave(before)
    const clean = await way.join(t, name)
    t.equal(presence(clean), false)
    await leave(clean)
    t.equal(presence(await way.join(t, name, durable)), false)
  },
})

onEachWay(t, ways, {
  title: 'a message of QoS 2 that was half received is the same one later [MQTT-4.3.3-2]',
  async run(t, way, name) {
    const witness = await way.join(t, `${name}-witness`)
    await subscribe(witness, [`t/${name}/#`, 1])
    const before = await way.join(t, name, durable)
    const message = { ...publishPacket(`t/${name}`, 'once', 5), qos: 2 as const }
    before.send(message)
    await before.wait('pubrec')
    before.stream.destroy()
    const again = await way.join(t, name, durable)
    again.send({ ...message, dup: true })
    t.match(await again.wait('pubrec'), [{ messageId: 5 }])
    again.stream.destroy()
    const after = await way.join(t, name, durable)
    after.send({ cmd: 'pubrel', messageId: 5 })
    t.match(await after.wait('pubcomp'), [{ messageId: 5 }], '[MQTT-4.3.3-2]')
    after.send({ ...message, payload: 'the id is free again' })
    await after.wait('pubrec')
    await publish(t, way, { topic: `t/${name}/end`, payload: 'end' })
    await witness.wait('publish', 3)
    t.same(heard(witness), ['once', 'the id is free again', 'end'])
  },
})

onEachWay(t, ways, {
  title: 'a PUBREL for what is unknown is answered [MQTT-4.3.3-2]',
  async run(t, way, name) {
    const client = await way.join(t, name)
    client.send({ ...publishPacket(`t/${name}`, 'x', 0), qos: 0 }, { cmd: 'pubrel', messageId: 99 })
    t.match(await client.wait('pubcomp'), [{ messageId: 99 }])
  },
})

onEachWay(t, ways, {
  title: 'what is not acknowledged is sent again, with its id and DUP [MQTT-4.4.0-1, 3.3.1-1]',
  async run(t, way, name) {
    const before = await way.join(t, name, silent)
    await subscribe(before, [`t/${name}`, 2])
    const messages = ['one', 'two', 'three'].map((payload, index) => {
      return { topic: `t/${name}`, payload, qos: index === 1 ? (2 as const) : (1 as const) }
    })
    await publish(t, way, ...messages)
    const first = await before.wait('publish', 3)
    t.ok(
      first.every(({ dup }) => !dup),
      'not the first time',
    )
    before.stream.destroy()
    for (const round of ['once', 'twice']) {
      const after = await way.join(t, name, silent)
      const again = await after.wait('publish', 3)
      const seen = again.map(({ payload, qos, messageId, dup, retain }) => {
        return { payload: payload.toString(), qos, messageId, dup, retain }
      })
      const expected = first.map(({ payload, qos, messageId }) => {
        return { payload: payload.toString(), qos, messageId, dup: true, retain: false }
      })
      t.same(seen, expected, `${round}, in order [MQTT-4.6.0-1]`)
      after.stream.destroy()
    }
  },
})

onEachWay(t, ways, {
  title: 'a retained message is sent again as any other [MQTT-4.4.0-1]',
  async run(t, way, name) {
    const kept = { topic: `t/${name}`, payload: 'kept', retain: true }
    await publish(t, way, kept)
    const before = await way.join(t, name, silent)
    await subscribe(before, [`t/${name}`, 1])
    const [first] = await before.wait('publish')
    t.match(first, { retain: true, dup: false })
    before.stream.destroy()
    const after = await way.join(t, name, silent)
    const [again] = await after.wait('publish')
    t.match(again, { payload: first?.payload, messageId: first?.messageId, dup: true })
    after.send({ cmd: 'puback', messageId: first?.messageId ?? 0 })
    await settle(after)
    await leave(after)
    const last = await way.join(t, name, durable)
    await publish(t, way, { topic: `t/${name}`, payload: 'end' })
    await last.wait('publish')
    t.same(heard(last), ['end'], 'until it is acknowledged')
  },
})

onEachWay(t, ways, {
  title: 'after PUBREC it is PUBREL that is sent again, with its id [MQTT-4.4.0-1, 4.3.3-1]',
  async run(t, way, name) {
    const before = await way.join(t, name, silent)
    await subscribe(before, [`t/${name}`, 2])
    await publish(t, way, { topic: `t/${name}`, payload: 'x', qos: 2 })
    const messageId = (await before.wait('publish'))[0]?.messageId ?? 0
    before.send({ cmd: 'pubrec', messageId })
    t.match(await before.wait('pubrel'), [{ messageId }])
    before.stream.destroy()
    for (const _round of [1, 2]) {
      const again = await way.join(t, name, silent)
      t.match(await again.wait('pubrel'), [{ messageId }])
      t.same(again.of('publish'), [])
      again.stream.destroy()
    }
    const after = await way.join(t, name, silent)
    await after.wait('pubrel')
    after.send({ cmd: 'pubcomp', messageId })
    await settle(after)
    await leave(after)
    const last = await way.join(t, name, silent)
    await publish(t, way, { topic: `t/${name}`, payload: 'end' })
    await last.wait('publish')
    t.same(heard(last), ['end'])
    t.same(last.of('pubrel'), [])
  },
})

onEachWay(t, ways, {
  title: 'what waits comes when the client is back, at QoS 1 and 2 [MQTT-3.1.2-5]',
  async run(t, way, name) {
    const before = await way.join(t, name, durable)
    await subscribe(before, [`t/${name}/+`, 2])
    await leave(before)
    const topic = `t/${name}/x`
    const messages = ([0, 1, 2] as const).map((qos) => ({ topic, payload: `${qos}`, qos }))
    await publish(t, way, ...messages, { topic, payload: 'end' })
    const after = await way.join(t, name, durable)
    const got = await after.wait('publish', 3)
    t.same(got.map(({ payload, qos, dup }) => `${payload} ${qos} ${dup}`).sort(), [
      '1 1 false',
      '2 2 false',
      'end 1 false',
    ])
  },
})

onEachWay(t, ways, {
  title: 'a second connection ends the first and goes on with its session [MQTT-3.1.4-2]',
  async run(t, way, name) {
    const first = await way.join(t, name, silent)
    await subscribe(first, [`t/${name}`, 1])
    const say = (payload: string) => ({ topic: `t/${name}`, payload })
    await publish(t, way, say('one'), say('two'))
    const [one] = await first.wait('publish', 2)
    first.send({ cmd: 'puback', messageId: one?.messageId ?? 0 })
    await settle(first)
    const second = await way.join(t, name, durable)
    await first.closed()
    t.equal(presence(second), true)
    await publish(t, way, say('three'))
    const got = await second.wait('publish', 2)
    t.same(
      got.map(({ payload, dup }) => `${payload} ${dup}`),
      ['two true', 'three false'],
    )
    t.equal(first.of('publish').length, 2)
  },
})

onEachWay(t, ways, {
  title: 'a client that takes over may say all at once [MQTT-3.1.4-2, MQTT-3.1.4-5]',
  async run(t, way, name) {
    const witness = await way.join(t, `${name}-witness`)
    await subscribe(witness, [`t/${name}/said`, 1])
    const first = await way.join(t, name, durable)
    first.send(...[1, 2, 3].map((n) => publishPacket(`t/${name}/said`, `${n}`, n)))
    const second = await way.open(t)
    second.send(
      await way.connect(name, durable),
      { cmd: 'subscribe', messageId: 9, subscriptions: [{ topic: `t/${name}`, qos: 1 }] },
      publishPacket(`t/${name}/said`, '4', 1),
      publishPacket(`t/${name}`, 'to itself', 2),
      { cmd: 'pingreq' },
    )
    await first.closed()
    await second.wait('publish')
    await witness.wait('publish', 4)
    t.same(heard(witness), ['1', '2', '3', '4'], 'what came before it was said')
    t.same(heard(second), ['to itself'])
    t.equal(second.packets[0]?.cmd, 'connack')
  },
})
