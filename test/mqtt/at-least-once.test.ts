// QoS 1 publishes without an id that come again because their PUBACK was lost: stored once where
// that can be known, and never taken for an old one when they may be new.

import t, { type Test } from 'tap'
import {
  connectPacket as connectBench,
  makeBenchBroker,
  openRaw as openBench,
  publish as publishBench,
} from '../broker/support/bench-broker.ts'
import { connectDevice } from '../support/chat-client.ts'
import type { RawClient } from '../support/raw-client.ts'
import { connectRaw, publishPacket, subscribePacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const server = await startTestServer(t, { openTopics: 't/open' })
await server.addGroup('team', ['alice', 'bob'])

let devices = 0
/** A device of alice that no other test uses. */
const newDevice = () => ({ user: 'alice', id: `device-${++devices}` })

const publish = (text: string, messageId: number, dup = false) => ({
  ...publishPacket('g/team/msg', text, messageId),
  dup,
})

/** What bob hears in `team` from now on. */
async function listen(t: Test): Promise<() => unknown[]> {
  const bob = await connectDevice(t, server, { user: 'bob', id: `b${++devices}` }, { clean: true })
  await bob.mqtt.subscribeAsync('g/team/msg', { qos: 1 })
  return () => bob.texts()
}

/** Publishes one after the other, each acknowledged, and loses the last one's PUBACK. */
async function losePuback(
  client: RawClient,
  heard: () => unknown[],
  messages: readonly (readonly [number, string])[],
): Promise<void> {
  const before = heard().length
  for (const [index, [id, text]] of messages.entries()) {
    if (index === messages.length - 1) client.pause()
    client.send(publish(text, id))
    if (index < messages.length - 1) await client.wait('puback', index + 1)
  }
  await until('all are stored', () => heard().length === before + messages.length)
  client.stream.destroy()
}

const counted = (count: number) =>
  Array.from({ length: count }, (_, index) => [index + 1, `m${index + 1}`] as const)

t.test('a message whose PUBACK was lost is stored once [MQTT-4.4.0-1, MQTT-3.3.1-1]', async (t) => {
  const heard = await listen(t)
  const device = newDevice()
  await losePuback(await connectRaw(t, server, device), heard, counted(6))
  const next = await connectRaw(t, server, device)
  next.send(publish('m6', 6, true), publish('m7', 7))
  t.same(
    (await next.wait('puback', 2)).map(({ messageId }) => messageId),
    [6, 7],
  )
  await until('the last', () => heard().includes('m7'))
  t.same(heard(), ['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7'])
})

t.test('also when the PUBACK is lost again and again, and connections end at once', async (t) => {
  const heard = await listen(t)
  const device = newDevice()
  await losePuback(await connectRaw(t, server, device), heard, counted(6))
  for (const round of [1, 2, 3]) {
    const nothing = await connectRaw(t, server, device)
    nothing.stream.destroy()
    const next = await connectRaw(t, server, device)
    next.send(publish('m6', 6, true))
    t.match(await next.wait('puback'), [{ messageId: 6 }], `round ${round}`)
    next.stream.destroy()
  }
  const last = await connectRaw(t, server, device)
  last.send(publish('m7', 7))
  await until('the last', () => heard().includes('m7'))
  t.same(heard(), ['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7'])
})

t.test('the same again under the same id is new for a client that reuses ids', async (t) => {
  const heard = await listen(t)
  const device = newDevice()
  const ok = [1, 'ok'] as const
  await losePuback(await connectRaw(t, server, device), heard, [ok, ok, ok, ok, ok])
  const next = await connectRaw(t, server, device)
  next.send(publish('ok', 1, true))
  await next.wait('puback')
  await until('it is stored', () => heard().length === 6)
})

t.test('the same again is new when plain topics have used up the ids since', async (t) => {
  const heard = await listen(t)
  const device = newDevice()
  const first = await connectRaw(t, server, device)
  for (const [id, text] of counted(6)) {
    first.send(publish(text, id))
    await first.wait('puback', id)
  }
  first.send(...[7, 65_535, 1].map((id) => publishPacket('t/open', 'plain', id)))
  await first.wait('puback', 9)
  first.stream.destroy()
  // What it sent last, under id 6 again, was lost with the connection.
  const next = await connectRaw(t, server, device)
  next.send(publish('m6', 6, true))
  await next.wait('puback')
  await until('it is stored', () => heard().length === 7)
})

t.test('the same again is new once the PUBACK has evidently come', async (t) => {
  const heard = await listen(t)
  const device = newDevice()
  const first = await connectRaw(t, server, device)
  first.send(subscribePacket('g/team/msg', 100))
  await first.wait('suback')
  for (const [id, text] of counted(6)) {
    first.send(publish(text, id))
    await first.wait('puback', id)
    await first.wait('publish', id)
  }
  // The echoes are acknowledged; when the ping is answered, that was read.
  first.send({ cmd: 'pingreq' })
  await first.wait('pingresp')
  first.stream.destroy()
  const next = await connectRaw(t, server, device)
  next.send(publish('m6', 6, true))
  await next.wait('puback')
  await until('it is stored again', () => heard().length === 7)
})

t.test('without DUP, within its connection, or of a clean session, it is new', async (t) => {
  const heard = await listen(t)
  const device = newDevice()
  await losePuback(await connectRaw(t, server, device), heard, counted(6))
  const next = await connectRaw(t, server, device)
  next.send(publish('m6', 6), publish('m6', 6, true))
  await next.wait('puback', 2)
  await until('both are stored', () => heard().length === 8)
  const clean = newDevice()
  await losePuback(await connectRaw(t, server, clean, { clean: true }), heard, counted(6))
  const again = await connectRaw(t, server, clean, { clean: true })
  again.send(publish('m6', 6, true))
  await until('it is stored too', () => heard().length === 15)
})

t.test('clean=true between the connections makes it new', async (t) => {
  const heard = await listen(t)
  const device = newDevice()
  await losePuback(await connectRaw(t, server, device), heard, counted(6))
  await connectRaw(t, server, device, { clean: true })
  const next = await connectRaw(t, server, device)
  next.send(publish('m6', 6, true))
  await until('it is stored', () => heard().length === 7)
})

t.test('one that waits for its commit when the connection ends is stored once', async (t) => {
  const bench = await makeBenchBroker(t)
  bench.world.memory.group('town', 'alice')
  const connect = connectBench('alice', { clean: false })
  const first = await openBench(t, bench.port)
  first.send(connect, publishBench('g/town/msg', 'route', 1))
  await first.got('puback')
  bench.hold()
  first.send(publishBench('g/town/msg', 'one', 1), publishBench('g/town/msg', 'two', 2))
  await until('both wait', () => bench.asked() === 3)
  first.socket.destroy()
  const second = await openBench(t, bench.port)
  const repeats = [publishBench('g/town/msg', 'one', 1), publishBench('g/town/msg', 'two', 2)]
  second.send(connect, ...repeats.map((packet) => ({ ...packet, dup: true }) as typeof packet))
  second.send(publishBench('g/town/msg', 'three', 3), { cmd: 'pingreq' })
  await second.got('connack')
  t.same(
    second.packets.map(({ cmd }) => cmd),
    ['connack'],
    'nothing is acknowledged before the commit',
  )
  bench.release()
  const pubacks = await second.got('puback', 3)
  t.same(
    pubacks.map(({ messageId }) => messageId),
    [1, 2, 3],
  )
  t.same(bench.stored, ['route', 'one', 'two', 'three'])
})
