// The delivery gate of one session, over an engine with memory ports: what is sent, in which order,
// and when it stops and goes on.

import t from 'tap'
import { deliveredTo, makeWorld, settle } from './support/devices.ts'
import { deliveryBytes, makeLink } from './support/fake-link.ts'

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)

t.test('entries go out live, in order, with packet ids from 1 and without DUP', async (t) => {
  const { memory, connect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  publish(town, 3)
  t.same(
    link.delivered,
    [1, 2, 3].map((seq) => ({
      conversation: town,
      seq,
      packetId: seq,
      dup: false,
      topic: 'g/town/msg',
    })),
    'in the same turn',
  )
  t.equal(memory.calls.get('read') ?? 0, 0, 'nothing was read from the log')
})

t.test('an entry that is announced twice or late is sent once', async (t) => {
  const { memory, connect, publish, engine } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  const first = memory.append(town)
  engine.announce(first)
  engine.announce(first)
  publish(town)
  engine.announce(first)
  await settle()
  t.same(link.seqs(), [1, 2])
})

t.test('a gap is read from the log, in order', async (t) => {
  const { memory, connect, publish, engine } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  const [one, two, three] = [memory.append(town), memory.append(town), memory.append(town)]
  engine.announce(three)
  engine.announce(one)
  engine.announce(two)
  await deliveredTo(link, 3)
  publish(town)
  await settle()
  t.same(link.seqs(), [1, 2, 3, 4])
  t.equal(link.session?.state, 'live')
})

t.test('a void is not sent, live or late, and counts as acknowledged', async (t) => {
  const { memory, connect, publish, engine } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  engine.announce(memory.append(town, ''))
  publish(town)
  memory.append(town, '')
  publish(town)
  await deliveredTo(link, 2)
  engine.announce(memory.append(town, ''))
  t.same(link.seqs(), [2, 4])
  for (const { packetId } of link.delivered) link.session?.acknowledge(packetId)
  const [position] = link.session?.positions.values() ?? []
  t.match(position, { acked: 5, sent: 5 })
})

t.test('a window that is full holds everything back until half of it is free', async (t) => {
  const { memory, connect, publish } = makeWorld(t, { windowEntriesMax: 16 })
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  publish(town, 40)
  await settle()
  t.same([link.delivered.length, link.session?.state], [16, 'windowFull'])
  for (let id = 1; id <= 7; id++) link.session?.acknowledge(id)
  await settle()
  t.equal(link.delivered.length, 16, '7 of 16 are free')
  link.session?.acknowledge(8)
  await deliveredTo(link, 24)
  await settle()
  t.equal(link.delivered.length, 24)
  while (link.delivered.length < 40) {
    link.acknowledgeAll()
    await settle(5)
  }
  t.same(link.seqs(), range(1, 40))
  t.equal(link.session?.state, 'live')
})

t.test('acknowledgements out of order are kept until their turn', async (t) => {
  const { memory, connect, publish, disconnect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  publish(town, 4)
  for (const id of [4, 2]) t.equal(link.session?.acknowledge(id), true)
  t.equal(link.session?.acknowledge(2), false, 'twice')
  t.equal(link.session?.acknowledge(9), false, 'never sent')
  link.session?.acknowledge(1)
  await disconnect(link)
  t.equal(memory.acked('bob', 'phone', town), 2)
})

t.test(
  'a device that is to be sent away gets nothing new, and what it got may be done',
  async (t) => {
    const { memory, connect, publish, disconnect } = makeWorld(t)
    const town = memory.group('town', 'bob')
    const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
    publish(town, 2)
    link.session?.rest()
    publish(town, 1)
    t.equal(link.session?.owesAcknowledgements(), true)
    link.acknowledgeAll()
    link.session?.repair()
    await settle(50)
    t.same([link.seqs(), link.session?.owesAcknowledgements()], [[1, 2], false])
    await disconnect(link)
    t.equal(memory.acked('bob', 'phone', town), 2)
  },
)

t.test('acknowledging in the same turn in which the window filled loses no wake-up', async (t) => {
  // A publisher's own PUBACKs are read while its batch is announced.
  const { memory, connect, publish } = makeWorld(t, { windowEntriesMax: 2 })
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  publish(town, 3)
  t.same([link.seqs(), link.session?.state], [[1, 2], 'windowFull'])
  link.acknowledgeAll()
  await settle(50)
  t.same(link.seqs(), [1, 2, 3], 'without waiting for the repair')
})

t.test('an entry that does not fit right when a catch-up ends is not forgotten', async (t) => {
  const { memory, connect, publish, engine } = makeWorld(t, { windowEntriesMax: 2 })
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  const [, two] = [memory.append(town), memory.append(town)]
  // The catch-up fills the window and ends; the next entry comes before anything else runs.
  const late = new Promise<void>((resolve) => {
    link.onDeliver = ({ seq }) => {
      if (seq !== 2) return
      link.onDeliver = undefined
      queueMicrotask(() => {
        publish(town)
        resolve()
      })
    }
  })
  engine.announce(two)
  await late
  await settle()
  link.acknowledgeAll()
  await settle(50)
  t.same(link.seqs(), [1, 2, 3], 'without waiting for the repair')
})

t.test('a socket that takes no bytes holds everything back until it does', async (t) => {
  const windowBytesMax = 10 * deliveryBytes
  const { memory, connect, publish } = makeWorld(t, { windowEntriesMax: 256, windowBytesMax })
  const town = memory.group('town', 'bob')
  for (const qos of [0, 1] as const) {
    const { link } = await connect(`bob/phone${qos}`, { filters: ['g/+/msg'], qos })
    const head = memory.head(town)
    link.isFast = false
    publish(town, 30)
    await settle()
    t.same([link.unsent, link.session?.state], [windowBytesMax, 'windowFull'], `QoS ${qos}`)
    link.acknowledgeAll()
    await settle()
    t.equal(link.delivered.length, 10, 'acknowledgements alone do not help')
    for (let i = 0; i < 4; i++) {
      link.drain()
      await settle(5)
    }
    t.same(link.seqs(), range(head + 1, head + 30))
    t.equal(link.session?.state, 'live')
    link.isFast = true
    link.drain()
  }
})

t.test('events are not heaped up before a socket that takes no bytes', async (t) => {
  // They are hints; the memory of a broker is bounded by its connections, not by what they leave.
  const { engine, connect } = makeWorld(t, { windowBytesMax: 1000 })
  const { link } = await connect('bob/phone', { filters: ['u/bob/#'] })
  link.isFast = false
  for (let i = 0; i < 10_000; i++) engine.notify('bob', 'error', { code: 'unknown-topic' })
  t.ok(link.unsent < 2000, `${link.unsent} bytes wait for one device`)
})

t.test('a session that is closed sends nothing, also when a read was under way', async (t) => {
  const { memory, connect, publish, engine, disconnect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  let answer = () => {}
  memory.pace = (port) =>
    port === 'read' ? new Promise<void>((resolve) => (answer = resolve)) : Promise.resolve()
  memory.append(town)
  engine.announce(memory.append(town))
  await settle()
  const closed = disconnect(link)
  answer()
  await closed
  publish(town)
  engine.notify('bob', 'event', {})
  await settle()
  t.same([link.delivered, link.notices], [[], []])
  t.equal(link.session?.state, 'closed')
})

t.test('nothing is sent before the session is started', async (t) => {
  const { memory, publish, engine } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const link = makeLink()
  const arrival = { user: 'bob', device: 'phone', durable: true, link }
  const { session } = await engine.attach(arrival)
  await engine.subscribe(session, [
    { filter: 'g/+/msg', qos: 1 },
    { filter: 'u/bob/#', qos: 1 },
  ])
  publish(town, 2)
  engine.notify('bob', 'event', {})
  await settle()
  t.same([link.delivered, link.notices], [[], []])
  session.start()
  await deliveredTo(link, 2)
  t.same(link.seqs(), [1, 2])
})

t.test('a read that fails is repaired by repair', async (t) => {
  const { memory, connect, engine } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  memory.failures.set('read', 1)
  memory.append(town)
  engine.announce(memory.append(town))
  await settle()
  t.same(link.seqs(), [])
  link.session?.repair()
  await deliveredTo(link, 2)
  await settle()
  t.same(link.seqs(), [1, 2])
  t.equal(link.session?.state, 'live')
})

t.test('repair reads nothing when nothing is missing', async (t) => {
  const { memory, connect, publish } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  publish(town, 3)
  for (let i = 0; i < 5; i++) link.session?.repair()
  await settle()
  t.same([link.seqs(), memory.calls.get('read') ?? 0], [[1, 2, 3], 0])
})

t.test('a log with a hole is not read without end', async (t) => {
  // It should not happen; when it does, one conversation stands still, not the process.
  const { memory, connect, engine } = makeWorld(t)
  const [town, city] = [memory.group('town', 'bob'), memory.group('city', 'bob')]
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  memory.spoilRead = (entries) =>
    entries.filter(({ conversation, seq }) => !(conversation === town && seq === 2))
  for (let i = 0; i < 3; i++) memory.append(town)
  engine.announce(memory.append(town))
  memory.append(city)
  engine.announce(memory.append(city))
  await settle(200)
  t.same(link.seqs(town), [1])
  t.same(link.seqs(city), [1, 2], 'others go on')
  t.ok((memory.calls.get('read') ?? 0) < 20, `${memory.calls.get('read')} reads`)
})

t.test('several conversations that are behind are caught up in turn', async (t) => {
  const { memory, connect, engine } = makeWorld(t, { windowEntriesMax: 512 })
  const names = ['a', 'b', 'c'].map((name) => memory.group(name, 'bob'))
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  for (const name of names) {
    for (let i = 0; i < 149; i++) memory.append(name)
    engine.announce(memory.append(name))
  }
  await deliveredTo(link, 450)
  for (const name of names) t.same(link.seqs(name), range(1, 150))
  const firstOfLast = link.delivered.findIndex(({ conversation }) => conversation === names[2])
  t.ok(firstOfLast <= 200, 'the last did not wait for all of the others')
})

t.test('QoS 0 goes out with packet id 0, starts live, and needs no acknowledgement', async (t) => {
  const { memory, connect, publish, disconnect } = makeWorld(t, { windowEntriesMax: 16 })
  const town = memory.group('town', 'bob')
  const options = { filters: ['g/+/msg'], qos: 0 } as const
  const first = await connect('bob/phone', options)
  publish(town, 40)
  await settle()
  t.same(first.link.seqs(), range(1, 40), 'more than the window')
  t.ok(first.link.delivered.every(({ packetId, dup }) => packetId === 0 && !dup))
  await disconnect(first.link)
  publish(town, 3)
  const second = await connect('bob/phone')
  publish(town)
  await settle()
  t.same(second.link.seqs(), [44], 'nothing is kept for a device that was away')
})

t.test('a position that was never sent is not acknowledged by a lower QoS', async (t) => {
  // QoS 1 entries are on their way when the device changes the subscription to QoS 0.
  const { memory, connect, publish, engine } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  publish(town, 3)
  if (link.session) await engine.subscribe(link.session, [{ filter: 'g/+/msg', qos: 0 }])
  publish(town)
  const [position] = link.session?.positions.values() ?? []
  t.equal(position?.acked, 0, 'three are not acknowledged yet')
  link.acknowledgeAll()
  t.equal(position?.acked, 4)
})

t.test('a void is sent to nobody, and counts as acknowledged', async (t) => {
  const { memory, connect, publish, engine, disconnect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  publish(town)
  engine.announce(memory.append(town, ''))
  publish(town)
  t.same(link.seqs(), [1, 3], 'live')
  memory.append(town, '')
  memory.append(town)
  engine.announce(memory.append(town))
  await deliveredTo(link, 4)
  t.same(link.seqs(), [1, 3, 5, 6], 'from the log')
  link.acknowledgeAll()
  engine.announce(memory.append(town, ''))
  await disconnect(link)
  t.equal(memory.acked('bob', 'phone', town), 7)
})

t.test('an entry that is being written is looked for again soon', async (t) => {
  const { memory, connect, engine } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  const holes = new Set([1])
  memory.spoilRead = (entries) => {
    const hole = entries.findIndex(({ seq }) => holes.has(seq))
    return hole < 0 ? entries : entries.slice(0, hole)
  }
  memory.append(town)
  engine.announce(memory.append(town))
  await settle(20)
  t.same([link.seqs(), link.session?.state], [[], 'live'])
  const reads = memory.calls.get('read') ?? 0
  holes.clear()
  await deliveredTo(link, 2)
  t.same(link.seqs(), [1, 2], 'without the repair')
  t.ok((memory.calls.get('read') ?? 0) - reads <= 2, 'and without asking all the time')
})
