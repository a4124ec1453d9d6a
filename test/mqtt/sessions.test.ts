// Sessions of durable and clean devices on chat topics, by the statements of MQTT 3.1.1: what is
// present, what is kept, what is sent again, and who takes over.

import t, { type Test } from 'tap'
import { returnCodeOf } from '../support/level.ts'
import type { RawClient } from '../support/raw-client.ts'
import { connectRaw, publishPacket, subscribePacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const server = await startTestServer(t)
await server.addGroup('team', ['alice', 'bob'])

let devices = 0

interface Device {
  readonly user: string
  readonly id: string
  readonly acknowledge: boolean
  readonly webSocket: boolean
}

const texts = (client: RawClient) =>
  client.of('publish').map(({ payload }) => JSON.parse(payload.toString()).text)

const present = (client: RawClient) => client.of('connack')[0]?.sessionPresent

async function leave(client: RawClient): Promise<void> {
  client.send({ cmd: 'disconnect' })
  await client.closed()
}

/** Alice says these in `team`; resolves when they are stored. */
async function say(t: Test, ...said: readonly string[]): Promise<void> {
  const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' }, { clean: true })
  alice.send(...said.map((text, index) => publishPacket('g/team/msg', text, index + 1)))
  await alice.wait('puback', said.length)
  await leave(alice)
}

async function subscribed(
  t: Test,
  device: Device,
  { filter = 'g/team/msg', clean = false } = {},
): Promise<RawClient> {
  const client = await connectRaw(t, server, device, { clean })
  client.send(subscribePacket(filter, 1))
  await client.wait('suback')
  return client
}

/** Proves that nothing more is on its way. */
async function settle(client: RawClient): Promise<void> {
  const before = client.of('pingresp').length
  client.send({ cmd: 'pingreq' })
  await client.wait('pingresp', before + 1)
}

for (const [transport, webSocket] of [
  ['TCP', false],
  ['WebSocket', true],
] as const) {
  /** A device of bob that no other test uses. */
  const newDevice = (acknowledge = true): Device => {
    return { user: 'bob', id: `device-${++devices}`, acknowledge, webSocket }
  }

  t.test(
    `clean=false goes on with the session [MQTT-3.1.2-4, MQTT-3.2.2-2] (${transport})`,
    async (t) => {
      const device = newDevice()
      const first = await subscribed(t, device)
      t.equal(present(first), false, 'there was none [MQTT-3.2.2-3]')
      await leave(first)
      const second = await connectRaw(t, server, device)
      t.equal(present(second), true)
      await say(t, 'hi')
      await until('the message', () => texts(second).length > 0)
      t.same(texts(second), ['hi'], 'without a new SUBSCRIBE')
    },
  )

  t.test(
    `the session is kept when the connection is cut [MQTT-3.1.2-5] (${transport})`,
    async (t) => {
      const device = newDevice()
      const first = await subscribed(t, device)
      first.stream.destroy()
      await say(t, 'one', 'two', 'three')
      const second = await connectRaw(t, server, device)
      await second.wait('publish', 3)
      t.same(texts(second), ['one', 'two', 'three'])
      t.ok(
        second.of('publish').every(({ qos, dup, retain }) => qos === 1 && !dup && !retain),
        'sent for the first time, so without DUP [MQTT-3.3.1-1]',
      )
    },
  )

  t.test(
    `clean=true begins anew, and leaves nothing [MQTT-3.1.2-6, MQTT-3.2.2-1] (${transport})`,
    async (t) => {
      const device = newDevice()
      await leave(await subscribed(t, device))
      await say(t, 'missed')
      const clean = await connectRaw(t, server, device, { clean: true })
      t.equal(present(clean), false)
      clean.send(subscribePacket('g/team/msg', 1))
      await clean.wait('suback')
      await say(t, 'live')
      await until('what is live', () => texts(clean).length > 0)
      t.same(texts(clean), ['live'])
      await leave(clean)
      const after = await connectRaw(t, server, device)
      t.equal(present(after), false, 'of a clean session nothing is kept')
      await say(t, 'not subscribed')
      await settle(after)
      t.same(texts(after), [])
    },
  )

  t.test(`a refused CONNECT has no session present [MQTT-3.2.2-4] (${transport})`, async (t) => {
    const device = newDevice()
    await leave(await subscribed(t, device))
    const refused = await connectRaw(t, server, device, { password: Buffer.from('no token') })
    const [connack] = refused.of('connack')
    t.equal(returnCodeOf(connack), 4)
    t.equal(connack?.sessionPresent, false)
  })

  t.test(
    `a second connection of the client ends the first [MQTT-3.1.4-2] (${transport})`,
    async (t) => {
      const device = newDevice(false)
      const first = await subscribed(t, device)
      await say(t, 'one', 'two')
      await first.wait('publish', 2)
      first.send({ cmd: 'puback', messageId: first.of('publish')[0]?.messageId ?? 0 })
      await settle(first)
      const second = await connectRaw(t, server, { ...device, acknowledge: true })
      await first.closed()
      t.equal(present(second), true, 'it takes the session over [MQTT-3.1.4-3]')
      await second.wait('publish')
      await say(t, 'three')
      await second.wait('publish', 2)
      t.same(texts(second), ['two', 'three'], 'what was acknowledged does not come again')
      t.same(texts(first), ['one', 'two'])
    },
  )

  t.test(`clean=true takes over and begins anew [MQTT-3.1.4-3] (${transport})`, async (t) => {
    const device = newDevice()
    const first = await subscribed(t, device)
    const second = await connectRaw(t, server, device, { clean: true })
    await first.closed()
    t.equal(present(second), false)
    await say(t, 'nobody hears')
    await settle(second)
    t.same(texts(second), [])
  })

  t.test(
    `what was not acknowledged comes again, in order, with DUP [MQTT-4.4.0-1] (${transport})`,
    async (t) => {
      const device = newDevice(false)
      const first = await subscribed(t, device)
      const said = ['one', 'two', 'three', 'four']
      await say(t, ...said)
      const deliveries = await first.wait('publish', 4)
      t.ok(
        deliveries.every(({ dup }) => !dup),
        'the first time without DUP [MQTT-3.3.1-1]',
      )
      first.send({ cmd: 'puback', messageId: deliveries[0]?.messageId ?? 0 })
      await settle(first)
      first.stream.destroy()
      await say(t, 'five')
      const second = await connectRaw(t, server, device)
      await second.wait('publish', 4)
      await settle(second)
      t.same(texts(second), ['two', 'three', 'four', 'five'], '[MQTT-4.6.0-1, MQTT-4.6.0-6]')
      t.same(
        second.of('publish').map(({ dup }) => dup),
        [true, true, true, false],
      )
    },
  )

  t.test(
    `nothing is sent again on the connection that has it [MQTT-4.4.0-1] (${transport})`,
    async (t) => {
      const device = newDevice(false)
      const client = await subscribed(t, device)
      await say(t, 'once')
      await client.wait('publish')
      client.send(subscribePacket('g/team/msg', 2), subscribePacket('g/+/#', 3))
      await client.wait('suback', 3)
      await settle(client)
      t.same(texts(client), ['once'])
    },
  )

  t.test(`acknowledgements out of order skip nothing [MQTT-4.6.0-2] (${transport})`, async (t) => {
    const device = newDevice(false)
    const first = await subscribed(t, device)
    await say(t, 'one', 'two', 'three')
    const ids = (await first.wait('publish', 3)).map(({ messageId }) => messageId ?? 0)
    first.send({ cmd: 'puback', messageId: ids[2] ?? 0 }, { cmd: 'puback', messageId: ids[1] ?? 0 })
    await settle(first)
    first.stream.destroy()
    const second = await connectRaw(t, server, device)
    await second.wait('publish')
    t.equal(texts(second)[0], 'one', 'the oldest was not acknowledged')
  })

  t.test(`at QoS 0 nothing is kept for who is away [MQTT-3.1.2-5] (${transport})`, async (t) => {
    const device = newDevice()
    const first = await connectRaw(t, server, device)
    first.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'g/team/msg', qos: 0 }] })
    await first.wait('suback')
    await leave(first)
    await say(t, 'missed')
    const second = await connectRaw(t, server, device)
    t.equal(present(second), true)
    await say(t, 'live')
    await second.wait('publish')
    t.same(texts(second), ['live'])
  })

  t.test(`delivery to each subscriber is its own [MQTT-4.5.0-1] (${transport})`, async (t) => {
    const silent = await subscribed(t, newDevice(false))
    const away = newDevice()
    await leave(await subscribed(t, away))
    const lively = await subscribed(t, newDevice())
    await say(t, 'one', 'two')
    for (const client of [silent, lively, await connectRaw(t, server, away)]) {
      await client.wait('publish', 2)
      t.same(texts(client), ['one', 'two'])
    }
  })
}
