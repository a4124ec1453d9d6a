// Devices that come, go and come back: where they start, what they get again, and what is stored.

import t from 'tap'
import { until } from '../../support/until.ts'
import { deliveredTo, makeWorld, settle } from './support/devices.ts'
import { makeLink } from './support/fake-link.ts'

const all = ['g/+/#', 'u/bob/#']

t.test('a device that is seen for the first time starts at the head', async (t) => {
  const { memory, connect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  publish(town, 5)
  const { link, present } = await connect('bob/phone', { filters: all })
  publish(town, 2)
  await settle()
  t.same([link.seqs(), present], [[6, 7], false])
  t.equal(memory.acked('bob', 'phone', town), 5, 'and its cursor is stored')
})

t.test('a device that is back goes on after what it acknowledged', async (t) => {
  const { memory, connect, publish, disconnect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const before = await connect('bob/phone', { filters: all })
  publish(town, 5)
  for (const id of [1, 2, 3]) before.link.session?.acknowledge(id)
  await disconnect(before.link)
  publish(town, 3)
  const { link, present } = await connect('bob/phone')
  publish(town)
  await deliveredTo(link, 6)
  await settle()
  t.same([link.seqs(), present], [[4, 5, 6, 7, 8, 9], true])
})

t.test('DUP is set on what was sent before, and only on that [MQTT-3.3.1-1]', async (t) => {
  for (const acknowledged of [0, 1, 3]) {
    const { memory, connect, publish, disconnect } = makeWorld(t)
    const town = memory.group('town', 'bob')
    const before = await connect('bob/phone', { filters: all })
    publish(town, 5)
    for (let id = 1; id <= acknowledged; id++) before.link.session?.acknowledge(id)
    await disconnect(before.link)
    publish(town, 2)
    const { link } = await connect('bob/phone')
    await deliveredTo(link, 7 - acknowledged)
    const expected = link.seqs().map((seq) => seq <= 5)
    t.same(
      link.delivered.map(({ dup }) => dup),
      expected,
      `${acknowledged} acknowledged`,
    )
  }
})

t.test('what was sent stays DUP over any number of connections', async (t) => {
  const { memory, connect, publish, disconnect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const first = await connect('bob/phone', { filters: all })
  publish(town, 3)
  first.link.session?.acknowledge(1)
  await disconnect(first.link)
  await disconnect((await connect('bob/phone')).link)
  const { link } = await connect('bob/phone')
  await deliveredTo(link, 2)
  t.same(
    link.delivered.map(({ seq, dup }) => [seq, dup]),
    [
      [2, true],
      [3, true],
    ],
  )
})

t.test('a known device starts at the join in a conversation that is new to it', async (t) => {
  const { memory, connect, publish, disconnect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const before = await connect('bob/phone', { filters: all })
  await disconnect(before.link)
  const city = memory.group('city', 'eve')
  publish(city, 4)
  memory.join(city, 'bob')
  publish(city, 2)
  const note = memory.direct('bob', 'eve')
  publish(note, 2)
  const { link } = await connect('bob/phone')
  await deliveredTo(link, 4)
  t.same([link.seqs(city), link.seqs(note), link.seqs(town)], [[5, 6], [1, 2], []])
})

t.test('a clean device is forgotten, with its cursors [MQTT-3.1.2-6]', async (t) => {
  const { memory, connect, publish, disconnect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const durable = await connect('bob/phone', { filters: all })
  publish(town, 3)
  await disconnect(durable.link)
  const clean = await connect('bob/phone', { durable: false })
  publish(town)
  await settle()
  t.same([clean.present, clean.link.seqs()], [false, []], 'its subscriptions are gone')
  t.equal(memory.devices.size, 0)
  await disconnect(clean.link)
  const again = await connect('bob/phone', { filters: all })
  publish(town)
  await settle()
  t.same([again.present, again.link.seqs()], [false, [5]])
})

t.test('a device that comes clean may be kept from then on [MQTT5-3.1.2-4]', async (t) => {
  const { memory, connect, publish, disconnect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const first = await connect('bob/phone', { filters: all })
  publish(town, 3)
  await disconnect(first.link)
  const fresh = await connect('bob/phone', { clean: true, filters: all })
  t.same([fresh.present, fresh.link.seqs()], [false, []])
  await disconnect(fresh.link)
  publish(town)
  const again = await connect('bob/phone')
  await deliveredTo(again.link, 1)
  t.same([again.present, again.link.seqs()], [true, [4]])
})

t.test('a session lasts as long as its device said, and no longer', async (t) => {
  const { memory, connect, publish, disconnect, pass } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const first = await connect('bob/phone', { filters: all, expiryMs: 1000 })
  pass(5000)
  await disconnect(first.link)
  publish(town)
  pass(999)
  const inTime = await connect('bob/phone', { expiryMs: 1000 })
  await deliveredTo(inTime.link, 1)
  t.equal(inTime.present, true)
  await disconnect(inTime.link)
  pass(1000)
  const late = await connect('bob/phone', { expiryMs: 1000 })
  t.equal(late.present, false)
})

t.test('a device that comes back may say another time', async (t) => {
  const { memory, connect, disconnect } = makeWorld(t)
  const first = await connect('bob/phone', { expiryMs: 1000, filters: all })
  t.equal(memory.devices.get('bob/phone')?.expiryMs, 1000, 'known also if the server crashes')
  await disconnect(first.link)
  const second = await connect('bob/phone', { expiryMs: 2000 })
  t.equal(second.present, true)
  t.equal(memory.devices.get('bob/phone')?.expiryMs, 2000)
})

t.test('a session that ends with its connection is forgotten then', async (t) => {
  const { memory, engine, connect, disconnect } = makeWorld(t)
  const ended: string[] = []
  engine.onExpired(({ device }) => ended.push(device))
  const first = await connect('bob/phone', { filters: all })
  await disconnect(first.link)
  const resumed = await connect('bob/phone', { expiryMs: 0 })
  t.equal(resumed.present, true, 'it goes on first')
  await disconnect(resumed.link)
  t.same([memory.devices.size, ended], [0, ['phone']])
})

t.test('a session that is over keeps its place until a refusal makes room', async (t) => {
  const { memory, connect, disconnect, pass } = makeWorld(t, { devicesPerUserMax: 1 })
  const { link } = await connect('bob/phone', { expiryMs: 1000 })
  await disconnect(link)
  pass(1001)
  await t.rejects(connect('bob/laptop'), { code: 'too-many-devices' })
  await until('the session is forgotten', () => memory.devices.size === 0)
  t.equal((await connect('bob/laptop')).present, false)
})

t.test('a clean session stores nothing', async (t) => {
  const { memory, connect, publish, disconnect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { durable: false, filters: all })
  publish(town, 3)
  link.acknowledgeAll()
  await disconnect(link)
  t.equal(memory.devices.size, 0)
  t.equal(memory.calls.get('saveCursors') ?? 0, 0)
})

t.test('a takeover hands over without loss or repetition of what was acknowledged', async (t) => {
  const { memory, connect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const before = await connect('bob/phone', { filters: all })
  publish(town, 6)
  for (const id of [1, 2, 3, 4]) before.link.session?.acknowledge(id)
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  memory.pace = (port) => (port === 'saveCursors' ? gate : Promise.resolve())
  const taking = connect('bob/phone')
  await settle()
  t.equal(before.link.takeovers, 1)
  publish(town)
  t.same(before.link.seqs(), [1, 2, 3, 4, 5, 6], 'the old connection gets nothing more')
  open()
  const { link } = await taking
  publish(town)
  await deliveredTo(link, 4)
  await settle()
  t.same(link.seqs(), [5, 6, 7, 8])
})

t.test('connections of one device that come at once are served one after the other', async (t) => {
  const { memory, connect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  await connect('bob/phone', { filters: all })
  const links = Array.from({ length: 5 }, makeLink)
  await Promise.all(links.map((link) => connect('bob/phone', { link })))
  publish(town)
  await settle()
  t.same(
    links.map((link) => link.seqs()),
    [[], [], [], [], [1]],
  )
  t.same(
    links.map((link) => link.takeovers),
    [1, 1, 1, 1, 0],
  )
})

t.test('two devices and two users with the same device name are apart', async (t) => {
  const { memory, connect, publish, disconnect } = makeWorld(t)
  const town = memory.group('town', 'bob', 'eve')
  const devices = ['bob/phone', 'bob/laptop', 'eve/phone']
  const links = await Promise.all(
    devices.map(async (name) => (await connect(name, { filters: ['g/+/msg'] })).link),
  )
  publish(town, 3)
  links[0]?.acknowledgeAll()
  for (const link of links) {
    t.same(link.seqs(), [1, 2, 3])
    t.equal(link.takeovers, 0)
    await disconnect(link)
  }
  const acked = devices.map((name) => memory.acked(...(name.split('/') as [string, string]), town))
  t.same(acked, [3, 0, 0])
})

t.test('an attach that fails leaves nothing behind, and the next one works', async (t) => {
  const { memory, connect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  for (const port of ['membershipsOf', 'find'] as const) {
    memory.failures.set(port, 1)
    await t.rejects(connect('bob/phone'), { name: 'StoreFailure' })
  }
  const { link } = await connect('bob/phone', { filters: all })
  publish(town)
  await settle()
  t.same(link.seqs(), [1])
})

t.test('an entry that comes while the memberships are read is delivered', async (t) => {
  const { memory, connect, publish, disconnect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  await disconnect((await connect('bob/phone', { filters: all })).link)
  // The store has answered already when the entry is stored; the answer is on its way.
  memory.delay = async (port) => {
    if (port === 'membershipsOf') publish(town)
  }
  const { link } = await connect('bob/phone')
  await settle(50)
  link.session?.repair()
  await settle(50)
  t.same(link.seqs(), [1], 'nobody has to write another one first')
})

t.test('close writes the cursors of all sessions', async (t) => {
  const { memory, engine, connect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob', 'eve')
  const bob = await connect('bob/phone', { filters: ['g/+/#'] })
  const eve = await connect('eve/phone', { filters: ['g/+/#'] })
  publish(town, 4)
  bob.link.acknowledgeAll()
  eve.link.session?.acknowledge(1)
  await engine.close()
  t.same([memory.acked('bob', 'phone', town), memory.acked('eve', 'phone', town)], [4, 1])
  publish(town)
  t.equal(bob.link.delivered.length, 4)
})

t.test('detaching twice, or a session that was taken over, changes nothing', async (t) => {
  const { memory, connect, publish, disconnect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const before = await connect('bob/phone', { filters: all })
  const now = await connect('bob/phone')
  await disconnect(before.link)
  await disconnect(before.link)
  publish(town)
  await settle()
  t.same(now.link.seqs(), [1])
})

t.test('cursors that could not be written at the end are not lost', async (t) => {
  const { memory, connect, publish, disconnect, engine } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: all })
  publish(town, 3)
  link.acknowledgeAll()
  memory.failures.set('saveCursors', 1)
  await disconnect(link)
  t.equal(memory.acked('bob', 'phone', town), 0)
  await engine.close()
  t.equal(memory.acked('bob', 'phone', town), 3)
})

t.test('what was read ahead of its announcement does not come again at QoS 0', async (t) => {
  const { memory, connect, disconnect, engine } = makeWorld(t)
  const town = memory.group('town', 'bob')
  // Somebody stays, so that the room does.
  await connect('bob/laptop', { filters: all })
  const { link } = await connect('bob/phone', { filters: all, qos: 0 })
  memory.append(town)
  const announced = memory.append(town)
  const late = memory.append(town)
  engine.announce(announced)
  await deliveredTo(link, 3)
  await disconnect(link)
  const again = await connect('bob/phone')
  engine.announce(late)
  await settle()
  t.same(again.link.seqs(), [])
})
