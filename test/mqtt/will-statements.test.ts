// What MQTT 3.1.1 says of wills, on each way to the server: published when a connection ends
// without DISCONNECT, however it ends, once, and only then.

import { Socket } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { bytesOf, publishPacket } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import type { JoinOptions, Way } from '../support/ways.ts'
import { heard, leave, onEachWay, openWays, publish, settle, subscribe } from '../support/ways.ts'

const ways = await openWays(t, { windowBytesMax: '131072', stalledTimeoutMs: '1000' })

interface Case {
  readonly way: Way
  readonly id: string
  readonly topic: string
  readonly testator: RawClient
}

/** How a connection ends without DISCONNECT. */
const ends: Record<string, (t: Test, it: Case) => Promise<void> | void> = {
  'the network is lost': (_t, { testator }) => void testator.stream.destroy(),
  'the connection is reset': (_t, { testator: { stream } }) => {
    const socket = (stream as { socket?: { _socket: unknown } }).socket?._socket ?? stream
    if (socket instanceof Socket) socket.resetAndDestroy()
  },
  'the client closes': (_t, { testator }) => void testator.stream.end(),
  'a packet breaks the protocol': (_t, { testator }) => testator.send(bytesOf(0xf0)),
  'a DISCONNECT is malformed': (_t, { testator }) => testator.send(bytesOf(0xe1)),
  'the client sends a second CONNECT': async (_t, { way, id, testator }) =>
    testator.send(await way.connect(id)),
  'a topic has too many levels': (_t, { testator }) =>
    testator.send(publishPacket(`t${'/x'.repeat(100)}`, 'x', 1)),
  'the keep-alive is over': () => {},
  'a clean connection takes its place': async (t, { way, id }) => void (await way.join(t, id)),
  'a durable connection takes its place': async (t, { way, id }) =>
    void (await way.join(t, id, { clean: false })),
  'the client reads too slowly': async (t, { way, topic, testator }) => {
    await subscribe(testator, [`${topic}/flood`, 1])
    testator.pause()
    const publisher = await way.join(t, `${topic.slice(2)}-flood`)
    const payload = Buffer.alloc(50_000)
    for (let sent = 0; sent < 400 && publisher.of('puback').length === sent; sent++) {
      publisher.send(publishPacket(`${topic}/flood`, payload, sent + 1))
      await publisher.wait('puback', sent + 1)
    }
  },
}

async function witnessOf(t: Test, way: Way, name: string): Promise<RawClient> {
  const witness = await way.join(t, `${name}-witness`)
  await subscribe(witness, [`t/${name}`, 2])
  return witness
}

function willOf(name: string, fields: object = {}): JoinOptions {
  const will = { topic: `t/${name}`, payload: Buffer.from('gone'), qos: 1 as const, retain: false }
  return { will: { ...will, ...fields } }
}

/** What the witness has heard when everything before a last message has come. */
async function heardAtLast(t: Test, way: Way, [witness, name]: readonly [RawClient, string]) {
  const before = witness.of('publish').length
  await publish(t, way, { topic: `t/${name}`, payload: 'end', qos: 2 })
  await until('the end', () => heard(witness).slice(before).includes('end'))
  return heard(witness)
}

for (const [what, end] of Object.entries(ends)) {
  onEachWay(t, ways, {
    title: `a will is published, once, when ${what} [MQTT-3.1.2-8]`,
    async run(t, way, base) {
      const name = `${base}-${what.replace(/ /g, '-')}`
      const witness = await witnessOf(t, way, name)
      const keepalive = what.startsWith('the keep-alive') ? 1 : 0
      const testator = await way.join(t, name, { ...willOf(name), keepalive })
      await end(t, { way, id: name, topic: `t/${name}`, testator })
      t.match(await witness.wait('publish'), [{ qos: 1, retain: false, dup: false }])
      t.same(await heardAtLast(t, way, [witness, name]), ['gone', 'end'])
    },
  })
}

onEachWay(t, ways, {
  title: 'after DISCONNECT there is no will, whatever follows it [MQTT-3.1.2-10, 3.14.4-3]',
  async run(t, way, name) {
    const witness = await witnessOf(t, way, name)
    const testator = await way.join(t, name, willOf(name))
    testator.send(
      publishPacket(`t/${name}`, 'last words', 1),
      { cmd: 'disconnect' },
      publishPacket(`t/${name}`, 'after the end', 2),
      bytesOf(0xf0),
    )
    await testator.closed()
    t.same(await heardAtLast(t, way, [witness, name]), ['last words', 'end'])
  },
})

onEachWay(t, ways, {
  title: 'the next connection of a client has a will of its own, or none',
  async run(t, way, name) {
    const witness = await witnessOf(t, way, name)
    const first = await way.join(t, name, { ...willOf(name), clean: false })
    await leave(first)
    const second = await way.join(t, name, { clean: false })
    second.stream.destroy()
    const third = await way.join(t, name, { ...willOf(name, { payload: 'third' }), clean: false })
    third.stream.destroy()
    await witness.wait('publish')
    t.same(await heardAtLast(t, way, [witness, name]), ['third', 'end'])
  },
})

for (const qos of [0, 1, 2] as const) {
  for (const retain of [false, true]) {
    onEachWay(t, ways, {
      title: `a will of QoS ${qos}${retain ? ', retained,' : ''} is one [MQTT-3.1.2-14, -16, -17]`,
      async run(t, way, base) {
        const name = `${base}-${qos}-${retain}`
        const witness = await witnessOf(t, way, name)
        const testator = await way.join(t, name, willOf(name, { qos, retain }))
        testator.stream.destroy()
        t.match(await witness.wait('publish'), [{ qos, retain: false }])
        const later = await way.join(t, `${name}-later`)
        await subscribe(later, [`t/${name}`, 2])
        await publish(t, way, { topic: `t/${name}`, payload: 'end', qos })
        const got = await later.wait('publish', retain ? 2 : 1)
        const seen = got.map((it) => `${it.payload} ${it.qos} ${it.retain}`)
        t.same(seen, [...(retain ? [`gone ${qos} true`] : []), `end ${qos} false`])
      },
    })
  }
}

onEachWay(t, ways, {
  title: 'a will may be empty, and then removes what was retained [MQTT-3.3.1-10, 3.1.3-12]',
  async run(t, way, name) {
    await publish(t, way, { topic: `t/${name}`, payload: 'kept', retain: true })
    const witness = await witnessOf(t, way, name)
    t.match(await witness.wait('publish'), [{ retain: true }])
    const testator = await way.join(
      t,
      name,
      willOf(name, { payload: Buffer.alloc(0), retain: true }),
    )
    testator.stream.destroy()
    await witness.wait('publish', 2)
    t.same(heard(witness), ['kept', ''])
    const later = await witnessOf(t, way, `${name}-later`)
    await subscribe(later, [`t/${name}`, 1])
    await settle(later)
    t.same(await heardAtLast(t, way, [later, `${name}-later`]), ['end'])
  },
})
