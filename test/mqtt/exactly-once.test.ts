// QoS 2 publishes on chat topics: stored once, over retransmissions, reconnects and restarts of the
// server, and a packet id is free again after its PUBREL.

import t, { type Test } from 'tap'
import { connectDevice } from '../support/chat-client.ts'
import type { RawClient } from '../support/raw-client.ts'
import { connectRaw, publishPacket } from '../support/raw-client.ts'
import { startTestServer, type TestServer, temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'

const server = await startTestServer(t)
await server.addGroup('team', ['alice', 'bob'])

let devices = 0
/** A device of alice that no other test uses. */
const newDeviceOver = (webSocket: boolean) => {
  return { user: 'alice', id: `device-${++devices}`, webSocket }
}

const publish = (text: string, messageId: number, dup = false) => ({
  ...publishPacket('g/team/msg', text, messageId),
  qos: 2 as const,
  dup,
})

const release = (messageId: number) => ({ cmd: 'pubrel' as const, messageId })

async function cut(client: RawClient): Promise<void> {
  client.stream.destroy()
  await client.closed()
}

/** What the log holds from now on: the texts of `team`, in order. */
async function fromNow(t: Test, at: TestServer = server): Promise<() => Promise<unknown[]>> {
  const client = await connectDevice(t, at, { user: 'bob', id: `b${++devices}` }, { clean: true })
  await client.mqtt.subscribeAsync('g/team/msg', { qos: 1 })
  let marks = 0
  return async () => {
    const mark = `end ${++marks}`
    client.mqtt.publish('g/team/msg', mark, { qos: 1 })
    await until('the end', () => client.texts().includes(mark))
    return client.texts().filter((text) => !String(text).startsWith('end '))
  }
}

for (const [transport, webSocket] of [
  ['TCP', false],
  ['WebSocket', true],
] as const) {
  const newDevice = () => newDeviceOver(webSocket)

  t.test(
    `a PUBLISH is answered by PUBREC, a PUBREL by PUBCOMP [MQTT-4.3.3-2] (${transport})`,
    async (t) => {
      const texts = await fromNow(t)
      const client = await connectRaw(t, server, newDevice())
      client.send(publish('one', 7), publish('two', 8))
      await client.wait('pubrec', 2)
      client.send(release(7), release(8))
      await client.wait('pubcomp', 2)
      t.same(
        client.packets.slice(1).map((it) => [it.cmd, it.messageId]),
        [
          ['pubrec', 7],
          ['pubrec', 8],
          ['pubcomp', 7],
          ['pubcomp', 8],
        ],
      )
      t.same(await texts(), ['one', 'two'])
    },
  )

  t.test(`a PUBREL for an unknown packet id is answered [MQTT-3.7.2] (${transport})`, async (t) => {
    for (const clean of [true, false]) {
      const client = await connectRaw(t, server, newDevice(), { clean })
      client.send(release(500), { cmd: 'pingreq' })
      await client.wait('pingresp')
      t.match(client.of('pubcomp'), [{ messageId: 500 }])
    }
  })

  t.test(
    `a PUBREL with other flags than 0010 ends the connection [MQTT-3.6.1-1] (${transport})`,
    async (t) => {
      const client = await connectRaw(t, server, newDevice())
      client.send(Buffer.of(0x60, 2, 0, 1))
      await client.closed()
      t.same(client.of('pubcomp'), [])
    },
  )

  t.test(
    `until its PUBREL a packet id is one message, DUP or not [MQTT-4.3.3-2] (${transport})`,
    async (t) => {
      for (const clean of [true, false]) {
        const texts = await fromNow(t)
        const client = await connectRaw(t, server, newDevice(), { clean })
        client.send(publish('once', 3), publish('once', 3, true))
        await client.wait('pubrec')
        client.send(publish('once', 3, true))
        await client.wait('pubrec', 2)
        client.send(release(3))
        await client.wait('pubcomp')
        client.send(publish('once', 3))
        await client.wait('pubrec', 3)
        t.same(await texts(), ['once', 'once'], 'after it, the same again is another message')
      }
    },
  )

  t.test(
    `PUBRECs come in the order of the PUBLISHes, repeated ones too (${transport})`,
    async (t) => {
      const client = await connectRaw(t, server, newDevice())
      client.send(publish('first', 1))
      await client.wait('pubrec')
      client.send(publish('second', 2), publish('first', 1, true), publish('third', 3))
      await client.wait('pubrec', 4)
      t.same(
        client.of('pubrec').map(({ messageId }) => messageId),
        [1, 2, 1, 3],
      )
    },
  )

  t.test(
    `a durable device sends again on its next connection, and it is stored once (${transport})`,
    async (t) => {
      const texts = await fromNow(t)
      const device = newDevice()
      for (const [id, dup] of [
        [1, true],
        [2, false],
      ] as const) {
        const first = await connectRaw(t, server, device)
        first.send(publish(`by ${id}`, id))
        await first.wait('pubrec')
        await cut(first)
        const second = await connectRaw(t, server, device)
        t.equal(second.of('connack')[0]?.sessionPresent, true)
        second.send(publish(`by ${id}`, id, dup))
        await second.wait('pubrec')
        second.send(release(id))
        await second.wait('pubcomp')
        second.send(publish(`after ${id}`, id))
        await second.wait('pubrec', 2)
        second.send(release(id))
        await second.wait('pubcomp', 2)
        await cut(second)
      }
      t.same(await texts(), ['by 1', 'after 1', 'by 2', 'after 2'], 'with DUP and without')
    },
  )

  t.test(
    `what is sent again to a second connection while the first is open is known (${transport})`,
    async (t) => {
      const texts = await fromNow(t)
      const device = newDevice()
      const first = await connectRaw(t, server, device)
      const all = Array.from({ length: 100 }, (_, index) => index + 1)
      first.send(...all.map((id) => publish(`m${id}`, id)))
      // No answer is waited for: some are stored by now, some on their way, some not read.
      const second = await connectRaw(t, server, device)
      second.send(...all.map((id) => publish(`m${id}`, id, true)))
      await second.wait('pubrec', 100)
      t.same(
        await texts(),
        all.map((id) => `m${id}`),
      )
    },
  )

  t.test(
    `a PUBREL that is sent again on the next connection is answered (${transport})`,
    async (t) => {
      const texts = await fromNow(t)
      const device = newDevice()
      const first = await connectRaw(t, server, device)
      first.send(publish('one', 4))
      await first.wait('pubrec')
      await cut(first)
      for (const round of [1, 2]) {
        const next = await connectRaw(t, server, device)
        next.send(release(4))
        t.match(await next.wait('pubcomp'), [{ messageId: 4 }], `round ${round}`)
        await cut(next)
      }
      const last = await connectRaw(t, server, device)
      last.send(publish('one', 4))
      await last.wait('pubrec')
      t.same(await texts(), ['one', 'one'], 'a released id is free on later connections')
    },
  )

  t.test(
    `a device that lost its state may use an unreleased packet id anew (${transport})`,
    async (t) => {
      const texts = await fromNow(t)
      const device = newDevice()
      const first = await connectRaw(t, server, device)
      first.send(publish('before', 1))
      await first.wait('pubrec')
      await cut(first)
      const second = await connectRaw(t, server, device)
      second.send(publish('after', 1))
      await second.wait('pubrec')
      await cut(second)
      const third = await connectRaw(t, server, device)
      third.send(publish('after', 1, true))
      await third.wait('pubrec')
      t.same(await texts(), ['before', 'after'])
    },
  )

  t.test(`clean=true forgets the packet ids [MQTT-3.1.2-6] (${transport})`, async (t) => {
    const texts = await fromNow(t)
    const device = newDevice()
    for (const clean of [false, true, false]) {
      const client = await connectRaw(t, server, device, { clean })
      client.send(publish('again', 6, true))
      await client.wait('pubrec')
      await cut(client)
    }
    t.same(await texts(), ['again', 'again', 'again'])
  })

  t.test(
    `more than a thousand packet ids without PUBREL end the connection (${transport})`,
    async (t) => {
      // At level 5 the Receive Maximum ends it long before.
      const device = { ...newDevice(), level: 4 as const }
      const first = await connectRaw(t, server, device)
      first.send(...Array.from({ length: 1000 }, (_, index) => publish('x', index + 1)))
      await first.wait('pubrec', 1000)
      await cut(first)
      const second = await connectRaw(t, server, device)
      second.send(publish('x', 1, true))
      await second.wait('pubrec')
      second.send(publish('one too many', 1001))
      await second.closed()
      const third = await connectRaw(t, server, device)
      third.send(...Array.from({ length: 1000 }, (_, index) => release(index + 1)))
      await third.wait('pubcomp', 1000)
      third.send(publish('room again', 1001))
      await third.wait('pubrec')
    },
  )

  t.test(`a refused publish is released like any other (${transport})`, async (t) => {
    const client = await connectRaw(t, server, newDevice())
    client.send({ ...publish('no', 9), topic: 'g/nowhere/msg' })
    await client.wait('pubrec')
    client.send(release(9))
    t.match(await client.wait('pubcomp'), [{ messageId: 9 }])
  })
}

t.test('the packet ids survive a restart of the server', async (t) => {
  const data = temporaryFolder(t)
  const before = await startTestServer(t, { data })
  await before.addGroup('team', ['alice', 'bob'])
  const device = { user: 'alice', id: 'phone' }
  const first = await connectRaw(t, before, device)
  first.send(publish('kept', 1), publish('released', 2))
  await first.wait('pubrec', 2)
  first.send(release(2))
  await first.wait('pubcomp')
  await before.close()
  const after = await startTestServer(t, { data })
  const texts = await fromNow(t, after)
  const second = await connectRaw(t, after, device)
  second.send(publish('kept', 1, true), publish('released', 2))
  await second.wait('pubrec', 2)
  t.same(await texts(), ['released'])
})

t.test('MQTT.js delivers at QoS 2 once, though its connection breaks often', async (t) => {
  const { mqtt } = await connectDevice(t, server, newDeviceOver(false), { reconnectPeriod: 10 })
  const bob = await connectDevice(t, server, { user: 'bob', id: 'hears' }, { clean: true })
  await bob.mqtt.subscribeAsync('g/team/msg', { qos: 1 })
  const sent = Array.from({ length: 200 }, (_, index) => `m${index}`)
  // Every so often the connection breaks right after an answer: of the others nobody knows.
  let answers = 0
  let cuts = 0
  mqtt.on('packetreceive', ({ cmd }) => {
    if (cmd !== 'pubrec' && cmd !== 'pubcomp') return
    if (++answers % 61 !== 30) return
    cuts++
    mqtt.stream.destroy()
  })
  for (const text of sent) mqtt.publish('g/team/msg', text, { qos: 2 })
  await until('all came', () => new Set(bob.texts()).size === sent.length)
  await until('all are released', () => Object.keys(mqtt.outgoing).length === 0)
  t.same(bob.texts().toSorted(), sent.toSorted(), 'each once')
  t.ok(cuts >= 5, `${cuts} cuts`)
})
