// What MQTT 3.1.1 says of connections as such, on each way to the server: nothing before CONNECT,
// nothing after DISCONNECT, one CONNECT, and how long a client may be silent.

import type { Packet } from 'mqtt-packet'
import t from 'tap'
import { farewell, returnCodeOf } from '../support/level.ts'
import { bytesOf, field, publishPacket } from '../support/raw-client.ts'
import { heard, leave, onEachWay, openWays, publish, subscribe } from '../support/ways.ts'

const ways = await openWays(t)
const id = { messageId: 1 }

onEachWay(t, ways, {
  title: 'nothing is heard or answered before CONNECT [MQTT-3.1.0-1]',
  async run(t, way, name) {
    const witness = await way.join(t, `${name}-witness`)
    await subscribe(witness, [`t/${name}`, 1])
    const early: readonly Packet[] = [
      publishPacket(`t/${name}`, 'early', 1),
      { cmd: 'subscribe', ...id, subscriptions: [{ topic: `t/${name}`, qos: 1 }] },
      { cmd: 'unsubscribe', ...id, unsubscriptions: [`t/${name}`] },
      ...(['puback', 'pubrec', 'pubrel', 'pubcomp'] as const).map((cmd) => ({ cmd, ...id })),
      { cmd: 'pingreq' },
      { cmd: 'disconnect' },
    ]
    for (const packet of early) {
      const client = await way.open(t)
      client.send(packet, await way.connect(name), publishPacket(`t/${name}`, 'late', 1))
      await client.closed()
      t.same(client.packets, [], packet.cmd)
    }
    await publish(t, way, { topic: `t/${name}`, payload: 'end' })
    await witness.wait('publish')
    t.same(heard(witness), ['end'])
  },
})

onEachWay(t, ways, {
  title: 'what follows CONNECT at once is heard, and after DISCONNECT nothing [MQTT-3.1.4-5]',
  async run(t, way, name) {
    const witness = await way.join(t, `${name}-witness`)
    await subscribe(witness, [`t/${name}`, 1])
    const client = await way.open(t)
    client.send(
      await way.connect(name),
      publishPacket(`t/${name}`, 'heard', 1),
      { cmd: 'disconnect' },
      publishPacket(`t/${name}`, 'not heard', 2),
      { cmd: 'pingreq' },
      await way.connect(name),
    )
    await client.closed()
    const kinds = client.packets.map(({ cmd }) => cmd)
    t.same(kinds.slice(0, 1), ['connack'])
    t.notOk(kinds.includes('pingresp'))
    await publish(t, way, { topic: `t/${name}`, payload: 'end' })
    await witness.wait('publish', 2)
    t.same(heard(witness), ['heard', 'end'], '[MQTT-3.14.4-1]')
  },
})

onEachWay(t, ways, {
  title: 'a second CONNECT ends the connection, with nothing after it heard [MQTT-3.1.0-2]',
  async run(t, way, name) {
    const witness = await way.join(t, `${name}-witness`)
    await subscribe(witness, [`t/${name}`, 1])
    for (const again of [name, `${name}-other`]) {
      const client = await way.open(t)
      const connect = await way.connect(again)
      const late = publishPacket(`t/${name}`, 'not heard', 1)
      client.send(await way.connect(name), connect, late, { cmd: 'pingreq' })
      await client.closed()
      t.same(
        client.packets.map(({ cmd }) => cmd),
        ['connack', ...farewell],
      )
    }
    await publish(t, way, { topic: `t/${name}`, payload: 'end' })
    await witness.wait('publish')
    t.same(heard(witness), ['end'])
  },
})

onEachWay(t, ways, {
  title: 'a client without an id has a session while it is connected [MQTT-3.1.3-6, 3.1.3-8]',
  async run(t, way, name) {
    const client = await way.join(t, '')
    const [connack] = client.of('connack')
    t.equal(returnCodeOf(connack), 0, '[MQTT-3.1.3-7]')
    t.equal(connack?.sessionPresent, false)
    await subscribe(client, [`t/${name}`, 1])
    const other = await way.join(t, '')
    await publish(t, way, { topic: `t/${name}`, payload: 'x' })
    await client.wait('publish')
    t.equal(other.isClosed(), false, 'each has an id of its own')
    const refused = await way.open(t)
    refused.send(bytesOf(0x10, field('MQTT'), Buffer.of(4, 0, 0, 0), field('')))
    await refused.wait('connack')
    t.match(refused.of('connack'), [{ returnCode: 2 }], '[MQTT-3.1.3-8]')
    await refused.closed()
  },
})

const keepalive = 2

t.test('a client may be silent for one and a half times its keep-alive [MQTT-3.1.2-24]', (t) => {
  const runs = ways.map(async (way, index) => {
    const name = `keep-alive-${index}`
    const listening = await way.join(t, `${name}-listening`, { keepalive })
    await subscribe(listening, [`t/${name}`, 0])
    const lively = await way.join(t, `${name}-lively`, { keepalive })
    const unbound = await way.join(t, `${name}-unbound`, { keepalive: 0 })
    const timer = setInterval(() => lively.send(publishPacket(`t/${name}`, 'x', 0)), 1000)
    t.teardown(() => clearInterval(timer))
    const began = performance.now()
    const silent = await way.join(t, `${name}-silent`, { keepalive })
    await silent.closed(15_000)
    const ms = Math.round(performance.now() - began)
    t.ok(ms > keepalive * 1500 && ms < keepalive * 1500 + 3000, `${way.name}: after ${ms} ms`)
    await listening.closed(15_000)
    t.ok(listening.of('publish').length > 0, 'what it hears does not count')
    for (const client of [lively, unbound]) {
      t.equal(client.isClosed(), false)
      await leave(client)
    }
  })
  return Promise.all(runs)
})
