// Chat and plain topics on one connection: packet ids that never meet, and readers who are slow.

import type { IPublishPacket } from 'mqtt-packet'
import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { connectRaw, publishPacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

type Owner = Parameters<typeof startTestServer>[0]

const server = await startTestServer(t, { openTopics: 't/#', windowBytesMax: '131072' })
await server.addGroup('team', ['alice', 'bob'])

async function join(t: Owner, user: string, id: string, fields: { clean?: boolean } = {}) {
  const client = await connectRaw(t, server, { user, id, acknowledge: false }, fields)
  const subscriptions = ['g/team/msg', 't/load/#'].map((topic) => ({ topic, qos: 1 as const }))
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions })
  await client.wait('suback')
  return client
}

const isPlain = ({ topic }: IPublishPacket) => topic.startsWith('t/')
const numberOf = ({ payload }: IPublishPacket) => {
  const text = payload.toString()
  return Number(text.startsWith('{') ? JSON.parse(text).text : text)
}

/** Publishes `count` numbers to each lane, with many in flight. */
function flood(client: RawClient, count: number): void {
  for (let n = 1; n <= count; n++) {
    client.send(
      publishPacket('g/team/msg', `${n}`, 2 * n),
      publishPacket('t/load/x', `${n}`, 2 * n + 1),
    )
  }
}

t.test('packet ids of both lanes are disjoint, and each lane keeps its order', async (t) => {
  const count = 2000
  const bob = await join(t, 'bob', 'phone')
  let at = 0
  const acknowledge = () => {
    const fresh = bob.of('publish').slice(at)
    at += fresh.length
    // Some at once, some late: many stay in flight.
    for (const { messageId = 0 } of fresh) bob.send({ cmd: 'puback', messageId })
  }
  const timer = setInterval(acknowledge, 20)
  t.teardown(() => clearInterval(timer))
  const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' }, { clean: true })
  flood(alice, count)
  await until('all are acknowledged', () => alice.of('puback').length === 2 * count, 30_000)
  await until('all have come', () => bob.of('publish').length >= 2 * count, 30_000)
  const numbers = Array.from({ length: count }, (_, i) => i + 1)
  const [plain, chat] = [
    bob.of('publish').filter(isPlain),
    bob.of('publish').filter((it) => !isPlain(it)),
  ]
  t.same(plain.map(numberOf), numbers)
  t.same(chat.map(numberOf), numbers)
  t.ok(plain.every(({ messageId = 0 }) => messageId > 32_768 && messageId <= 65_535))
  t.ok(chat.every(({ messageId = 0 }) => messageId >= 1 && messageId <= 32_768))
  const answers = alice.of('puback').map(({ messageId = 0 }) => messageId)
  const odd = answers.filter((id) => id % 2 === 1)
  t.same(
    odd,
    numbers.map((n) => 2 * n + 1),
    'PUBACKs of a lane are in order',
  )
  t.same(
    answers.filter((id) => id % 2 === 0),
    numbers.map((n) => 2 * n),
  )
})

t.test('each lane redelivers what it was not acknowledged, and only that', async (t) => {
  const before = await join(t, 'bob', 'laptop')
  const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' }, { clean: true })
  flood(alice, 10)
  const first = await before.wait('publish', 20)
  for (const packet of first) {
    const { messageId = 0 } = packet
    if (numberOf(packet) <= 4) before.send({ cmd: 'puback', messageId })
  }
  before.send({ cmd: 'pingreq' })
  await before.wait('pingresp')
  before.send({ cmd: 'disconnect' })
  await before.closed()
  const after = await connectRaw(t, server, { user: 'bob', id: 'laptop' })
  const again = await after.wait('publish', 12)
  for (const lane of [isPlain, (it: IPublishPacket) => !isPlain(it)]) {
    t.same(again.filter(lane).map(numberOf), [5, 6, 7, 8, 9, 10])
    t.ok(again.filter(lane).every(({ dup }) => dup))
  }
})

t.test('QoS 2 of both lanes shares packet ids of the client without mixing them', async (t) => {
  const alice = await join(t, 'alice', 'two', { clean: true })
  const exactly = (topic: string, messageId: number) => {
    return { ...publishPacket(topic, 'x', messageId), qos: 2 as const }
  }
  alice.send(exactly('t/load/2', 7), exactly('g/team/msg', 8), exactly('t/no', 9))
  await alice.wait('pubrec', 3)
  alice.send(...[8, 7, 9].map((messageId) => ({ cmd: 'pubrel' as const, messageId })))
  const completed = await alice.wait('pubcomp', 3)
  t.same(completed.map(({ messageId }) => messageId).sort(), [7, 8, 9])
  alice.send(exactly('g/team/msg', 7), exactly('t/load/2', 8))
  await alice.wait('pubrec', 5)
  await alice.wait('publish', 4)
  t.equal(alice.of('publish').filter(isPlain).length, 2)
})

t.test('a late or foreign answer to a plain message changes nothing', async (t) => {
  const alice = await join(t, 'alice', 'late', { clean: true })
  alice.send(
    { cmd: 'puback', messageId: 40_000 },
    { cmd: 'pubrec', messageId: 40_001 },
    { cmd: 'pubcomp', messageId: 40_002 },
    { cmd: 'pubrel', messageId: 40_003 },
    { cmd: 'pingreq' },
  )
  await alice.wait('pingresp')
  t.match(await alice.wait('pubcomp'), [{ messageId: 40_003 }])
  t.equal(alice.isClosed(), false)
})

for (const qos of [0, 1] as const) {
  const fate = qos === 0 ? 'loses messages' : 'is cut, and finds them later'
  t.test(`who does not read plain topics at QoS ${qos} ${fate}; others go on`, async (t) => {
    const topic = `t/slow/${qos}`
    const subscriptions = [{ topic, qos }]
    const slow = await connectRaw(t, server, { user: 'bob', id: `slow${qos}` })
    const quick = await connectRaw(t, server, { user: 'bob', id: `quick${qos}` }, { clean: true })
    for (const client of [slow, quick]) {
      client.send({ cmd: 'subscribe', messageId: 1, subscriptions })
      await client.wait('suback')
    }
    slow.pause()
    const alice = await connectRaw(t, server, { user: 'alice', id: 'busy' }, { clean: true })
    const payload = Buffer.alloc(60_000, 120)
    for (let n = 1; n <= 400; n++) {
      alice.send(publishPacket(topic, payload, n))
      await alice.wait('puback', n)
    }
    await quick.wait('publish', 400)
    if (qos === 0) {
      slow.resume()
      await slow.wait('publish')
      alice.send(publishPacket(topic, 'end', 401))
      await until('the end', () => slow.of('publish').at(-1)?.payload.length === 3)
      t.ok(slow.of('publish').length < 400)
      return
    }
    slow.resume()
    await slow.closed()
    const back = await connectRaw(t, server, { user: 'bob', id: `slow${qos}` })
    await back.wait('publish', 10)
    t.ok(back.of('publish').every((it) => it.qos === 1))
  })
}
