// Who may use which plain topic, and that chat and plain topics never meet.

import type { IPublishPacket } from 'mqtt-packet'
import t from 'tap'
import type { TopicGrants } from '../../protocol/grants.ts'
import { codesOf, returnCodeOf } from '../support/level.ts'
import type { RawClient } from '../support/raw-client.ts'
import { connectPacket, connectRaw, openRaw, publishPacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

type Owner = Parameters<typeof startTestServer>[0]

const server = await startTestServer(t, { openTopics: 't/open/#,t/+/public' })
await server.addGroup('team', ['mallory', 'bob'])
let devices = 0

async function join(t: Owner, user: string, grants: Partial<TopicGrants> = {}): Promise<RawClient> {
  const password = Buffer.from(await server.token(user, grants))
  return connectRaw(t, server, { user, id: `d${++devices}` }, { clean: true, password })
}

async function subscribe(client: RawClient, ...filters: string[]): Promise<unknown> {
  const before = client.of('suback').length
  const subscriptions = filters.map((topic) => ({ topic, qos: 2 as const }))
  client.send({ cmd: 'subscribe', messageId: 99, subscriptions })
  const subacks = await client.wait('suback', before + 1)
  return codesOf(subacks.at(-1))
}

interface Explanation {
  readonly code: string
  readonly packetId: number
}

function explanations(client: RawClient): Explanation[] {
  const errors = client.of('publish').filter(({ topic }) => topic.endsWith('/error'))
  return errors.map(({ payload }) => JSON.parse(payload.toString()) as Explanation)
}

const grants = { publish: ['t/own/+', 't/tree/#'], subscribe: ['t/own/#', 't/+/in', 't/one'] }

const publishes: readonly (readonly [string, boolean])[] = [
  ['t/own/a', true],
  ['t/own/a/b', false],
  ['t/own', false],
  ['t/tree', true],
  ['t/tree/a/b', true],
  ['t/one', false],
  ['t/x/in', false],
  ['t/other', false],
  ['t/open', true],
  ['t/open/a', true],
  ['t/x/public', true],
  ['t/x/public/y', false],
  ['t/Open/a', false],
]

for (const [topic, isGranted] of publishes) {
  t.test(`a publish to ${topic} is ${isGranted ? 'granted' : 'refused'}`, async (t) => {
    const witness = await join(t, 'bob', { subscribe: ['t/#'] })
    await subscribe(witness, 't/#')
    const client = await join(t, 'mallory', grants)
    await subscribe(client, 'u/mallory/error')
    client.send(
      publishPacket(topic, 'hi', 0),
      publishPacket(topic, 'hi', 5),
      { ...publishPacket(topic, 'hi', 6), qos: 2 },
      { cmd: 'pubrel', messageId: 6 },
      publishPacket('t/open/end', 'end', 7),
    )
    const acks = await client.wait('puback', 2)
    t.same(acks.map(({ messageId }) => messageId).sort(), [5, 7], 'acknowledged either way')
    t.match(await client.wait('pubcomp'), [{ messageId: 6 }])
    await until('the end', () => witness.of('publish').some((it) => it.topic === 't/open/end'))
    const heard = witness.of('publish').filter((it) => it.topic === topic)
    t.equal(heard.length, isGranted ? 3 : 0)
    const refused = isGranted ? [] : [0, 5, 6].map((id) => ['not-authorized', id])
    t.same(
      explanations(client).map(({ code, packetId }) => [code, packetId]),
      refused,
    )
  })
}

/** Filter, and whether a grant covers all of it. */
const filters: readonly (readonly [string, boolean])[] = [
  ['t/own/#', true],
  ['t/own/+', true],
  ['t/own/a', true],
  ['t/own', true],
  ['t/one', true],
  ['t/one/#', false],
  ['t/x/in', true],
  ['t/+/in', true],
  ['t/+/+', false],
  ['t/#', false],
  ['t/+', false],
  ['t/tree/a', false],
  ['t/open/#', true],
  ['t/open/+/x', true],
  ['t/+/public', true],
  ['t/a/public', true],
  ['t/a/public/#', false],
  ['t/own#', false],
  ['t/own/+a', false],
  ['t/own/#/a', false],
  [`t/own/${'a/'.repeat(200)}`, false],
  ['#', false],
  ['+/#', false],
  ['+/own/a', false],
  ['/own/a', false],
  ['t', false],
  ['$share/x/t/own/a', false],
]

t.test('a filter is granted when one grant covers all of it; codes in order', async (t) => {
  const client = await join(t, 'mallory', grants)
  for (const [filter, isGranted] of filters) {
    t.same(await subscribe(client, filter), [isGranted ? 2 : 128], filter.slice(0, 30))
  }
  const all = await subscribe(client, ...filters.map(([filter]) => filter))
  t.same(
    all,
    filters.map(([, isGranted]) => (isGranted ? 2 : 128)),
    '[MQTT-3.8.4-5, MQTT-3.9.3-1]',
  )
})

t.test('a refused filter hears nothing', async (t) => {
  const client = await join(t, 'mallory', { publish: ['t/#'] })
  t.same(await subscribe(client, 't/secret', 't/open/end'), [128, 2])
  client.send(publishPacket('t/secret', 'x', 1), publishPacket('t/open/end', 'end', 2))
  t.match(await client.wait('publish'), [{ topic: 't/open/end' }])
})

t.test('a subscription hears nothing once its grant is gone, nor of what waited', async (t) => {
  const device = { user: 'mallory', id: 'demoted' }
  const connect = async (granted: Partial<TopicGrants>) =>
    connectRaw(t, server, device, { password: Buffer.from(await server.token('mallory', granted)) })
  const before = await connect({ subscribe: ['t/secret'] })
  t.same(await subscribe(before, 't/secret', 't/open/end'), [2, 2])
  before.send({ cmd: 'disconnect' })
  await before.closed()
  const publisher = await join(t, 'bob', { publish: ['t/secret'] })
  publisher.send(publishPacket('t/secret', 'x', 1), publishPacket('t/open/end', 'queued', 2))
  await publisher.wait('puback', 2)
  const after = await connect({})
  t.match(after.of('connack'), [{ sessionPresent: true }])
  await after.wait('publish')
  publisher.send(publishPacket('t/secret', 'x', 3), publishPacket('t/open/end', 'new', 4))
  await until('the end', () => after.of('publish').some((it) => `${it.payload}` === 'new'))
  t.same(
    after.of('publish').map(({ topic, payload }) => `${topic} ${payload}`),
    ['t/open/end queued', 't/open/end new'],
  )
})

t.test('one SUBSCRIBE may name chat and plain topics [MQTT-3.8.4-4]', async (t) => {
  const client = await join(t, 'mallory', grants)
  const mixed = ['u/mallory/msg', 't/own/a', 'u/bob/msg', 't/no', 'g/team/msg', 't/own/a', '#']
  t.same(await subscribe(client, ...mixed), [1, 2, 128, 128, 1, 2, 128])
  t.match(client.of('suback'), [{ messageId: 99 }], 'one answer')
  client.send(
    publishPacket('t/own/a', 'plain', 1),
    publishPacket('u/mallory/msg', 'note', 2),
    publishPacket('g/team/msg', 'hello', 3),
  )
  await client.wait('publish', 3)
  const topics = client.of('publish').map(({ topic }) => topic)
  t.same(topics.sort(), ['g/team/msg', 't/own/a', 'u/mallory/msg'])
  const unsubscriptions = ['t/own/a', 'u/mallory/msg', 't/no']
  client.send({ cmd: 'unsubscribe', messageId: 5, unsubscriptions })
  t.match(await client.wait('unsuback'), [{ messageId: 5 }])
  client.send(
    publishPacket('t/own/a', 'plain', 1),
    publishPacket('u/mallory/msg', 'note', 2),
    publishPacket('g/team/msg', 'bye', 3),
  )
  await client.wait('puback', 6)
  await client.wait('publish', 4)
  t.equal(client.of('publish').length, 4)
  t.equal(client.of('publish')[3]?.topic, 'g/team/msg')
})

for (const [topic, code] of [
  ['t/own/a', 0],
  ['t/open/a', 0],
  ['t/one', 5],
  ['t/other', 5],
  ['u/bob/msg', 5],
  ['g/team/msg', 5],
  ['p/mallory', 5],
  ['$SYS/x', 5],
  ['u/mallory/presence', 0],
] as const) {
  t.test(`a will to ${topic} is ${code === 0 ? 'taken' : 'refused'}`, async (t) => {
    const password = Buffer.from(await server.token('mallory', grants))
    const will = { topic, payload: Buffer.from('x'), qos: 0 as const, retain: false }
    const device = { user: 'mallory', id: 'testator' }
    const client = await openRaw(t, server)
    client.send(await connectPacket(server, device, { clean: true, password, will }))
    const [connack] = await client.wait('connack')
    t.equal(returnCodeOf(connack), code)
  })
}

t.test('plain topics hear nothing of chat, and chat nothing of plain topics', async (t) => {
  const everything = { publish: ['t/#'], subscribe: ['t/#'] }
  const spy = await join(t, 'mallory', everything)
  t.same(await subscribe(spy, 't/#'), [2])
  const bob = await join(t, 'bob', everything)
  t.same(await subscribe(bob, 'u/bob/#', 'g/+/#'), [1, 1])
  const topics = ['t/u/bob/msg', 't/g/team/msg', 't/p/bob', 't/$SYS/x', 't/../u/bob/msg']
  spy.send(...topics.map((topic, i) => publishPacket(topic, 'sneaky', i + 1)))
  spy.send({ ...publishPacket('t/u/bob/msg', 'kept', 9), retain: true })
  await spy.wait('publish', 6)
  t.same(
    spy
      .of('publish')
      .map(({ topic }) => topic)
      .sort(),
    [...topics, 't/u/bob/msg'].sort(),
  )
  for (const topic of ['p/bob', 'u/bob/event', 't', 'tt/x', '/t/x', 'T/x']) {
    bob.send(publishPacket(topic, 'x', 20))
    await bob.wait('puback', bob.of('puback').length + 1)
  }
  bob.send(publishPacket('u/bob/msg', 'note', 30), publishPacket('g/team/msg', 'hello', 31))
  const chat = ({ topic }: IPublishPacket) => !/(error|event)$/.test(topic)
  await until('chat', () => bob.of('publish').filter(chat).length >= 2)
  t.same(
    bob
      .of('publish')
      .filter(chat)
      .map(({ topic }) => topic)
      .sort(),
    ['g/team/msg', 'u/bob/msg'],
  )
  t.equal(explanations(bob).length, 6)
  spy.send(publishPacket('t/end', 'end', 40))
  await spy.wait('publish', 7)
  t.equal(spy.of('publish')[6]?.topic, 't/end', 'nothing came between')
})
