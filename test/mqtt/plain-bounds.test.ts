// What plain topics may take up in memory, on the wire: retained messages, half-finished QoS 2.

import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { connectRaw, publishPacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'

const openTopics = 't/#'

async function subscribe(client: RawClient, topic: string) {
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] })
  await client.wait('suback')
}

t.test('a retained message without room is delivered, and not retained', async (t) => {
  const server = await startTestServer(t, { openTopics, plainRetainedMax: '2' })
  const live = await connectRaw(t, server, { user: 'bob', id: 'live' }, { clean: true })
  await subscribe(live, 't/#')
  const alice = await connectRaw(t, server, { user: 'alice', id: 'd' }, { clean: true })
  const retain = (topic: string, payload: string, messageId: number) =>
    alice.send({ ...publishPacket(topic, payload, messageId), retain: true })
  for (const n of [1, 2, 3]) retain(`t/${n}`, 'old', n)
  retain('t/1', 'new', 4)
  retain('t/2', '', 5)
  retain('t/4', 'late', 6)
  const said = ({ topic, payload }: { topic: string; payload: string | Buffer }) =>
    `${topic} ${payload}`
  const all = ['t/1 old', 't/2 old', 't/3 old', 't/1 new', 't/2 ', 't/4 late']
  t.same((await live.wait('publish', 6)).map(said), all)
  const later = await connectRaw(t, server, { user: 'bob', id: 'later' }, { clean: true })
  await subscribe(later, 't/+')
  alice.send(publishPacket('t/end', 'end', 7))
  t.same((await later.wait('publish', 3)).map(said), ['t/1 new', 't/4 late', 't/end end'])
})

t.test('QoS 2 that a durable client never finishes has a bound over connections', async (t) => {
  const server = await startTestServer(t, { openTopics })
  const device = { user: 'alice', id: 'half' }
  const open = (client: RawClient, first: number, count: number) =>
    client.send(
      ...Array.from({ length: count }, (_, i) => ({
        ...publishPacket('t/half', 'x', first + i),
        qos: 2 as const,
      })),
    )
  const before = await connectRaw(t, server, device, { clean: false })
  open(before, 1, 600)
  await before.wait('pubrec', 600)
  before.send({ cmd: 'disconnect' })
  await before.closed()
  const after = await connectRaw(t, server, device, { clean: false })
  open(after, 1, 600)
  open(after, 601, 400)
  await after.wait('pubrec', 1000)
  after.send({ cmd: 'pubrel', messageId: 1 })
  await after.wait('pubcomp')
  open(after, 1001, 1)
  await after.wait('pubrec', 1001)
  open(after, 1002, 1)
  await after.closed()
})
