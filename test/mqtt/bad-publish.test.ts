// Publishes that are refused for good: acknowledged, dropped, explained on `u/<me>/error`.

import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { connectRaw, publishPacket, subscribePacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { makeBystanders } from './bystanders.ts'

const server = await startTestServer(t)
const bystanders = await makeBystanders(t, server)
await server.addGroup('own', ['mallory'])

type Owner = Parameters<typeof connectRaw>[0]

async function connectMallory(t: Owner, id = 'phone'): Promise<RawClient> {
  const client = await connectRaw(t, server, { user: 'mallory', id }, { clean: true })
  client.send(subscribePacket('u/mallory/#', 1))
  await client.wait('suback')
  return client
}

function explanations(client: RawClient): Record<string, unknown>[] {
  return client
    .of('publish')
    .filter(({ topic }) => topic === 'u/mallory/error')
    .map(({ payload }) => JSON.parse(payload.toString()))
}

const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
const refused: readonly {
  readonly what: string
  readonly topic?: string
  readonly payload?: string | Buffer
  readonly code: string
}[] = [
  { what: 'not a member', topic: 'g/club/msg', code: 'not-a-member' },
  { what: 'a group that is not there', topic: 'g/nowhere/msg', code: 'not-a-member' },
  { what: 'an unknown user', topic: 'u/nobody/msg', code: 'unknown-user' },
  { what: 'a payload over the limit', payload: 'x'.repeat(65_537), code: 'payload-too-large' },
  { what: 'a binary one', payload: Buffer.alloc(65_537, 0xff), code: 'payload-too-large' },
  { what: 'a text that is no text', payload: '{"text":1}', code: 'invalid-payload' },
  { what: 'an id that is no text', payload: '{"id":1}', code: 'invalid-payload' },
  { what: 'an empty id', payload: '{"id":""}', code: 'invalid-payload' },
  { what: "an id like the server's", payload: '{"id":"#1"}', code: 'invalid-payload' },
  { what: 'an id too long', payload: `{"id":"${'x'.repeat(129)}"}`, code: 'invalid-payload' },
  { what: 'an id of half a character', payload: '{"id":"\\ud800"}', code: 'invalid-payload' },
  { what: 'a kind that is no word', payload: '{"kind":"a b"}', code: 'invalid-payload' },
  { what: 'a kind of the server', payload: '{"kind":"void"}', code: 'invalid-payload' },
  { what: 'a replyTo of 0', payload: '{"replyTo":0}', code: 'invalid-payload' },
  { what: 'an ext that is no object', payload: '{"ext":[]}', code: 'invalid-payload' },
  { what: 'deep nesting', payload: nested(10_900), code: 'invalid-payload' },
  {
    what: 'deep nesting in brackets',
    payload: `{"ext":{"a":${'['.repeat(32_000)}${']'.repeat(32_000)}}}`,
    code: 'invalid-payload',
  },
  { what: 'a topic that is none', topic: 'hello', code: 'unknown-topic' },
  { what: 'a plain topic', topic: 't/x', code: 'not-authorized' },
  { what: "another's presence", topic: 'p/dave', code: 'unknown-topic' },
  { what: "another's errors", topic: 'u/dave/error', code: 'unknown-topic' },
  { what: "another's events", topic: 'u/dave/event', code: 'unknown-topic' },
  { what: "another's receipts", topic: 'u/dave/receipt', code: 'unknown-topic' },
  { what: 'more levels', topic: 'u/dave/msg/more', code: 'unknown-topic' },
  { what: 'an empty level', topic: '/u/dave/msg', code: 'unknown-topic' },
  { what: 'an empty name', topic: 'u//msg', code: 'unknown-topic' },
  { what: 'a name with a space', topic: 'u/da ve/msg', code: 'unknown-topic' },
  { what: 'a name with a $', topic: 'u/$dave/msg', code: 'unknown-topic' },
  { what: 'a name too long', topic: `u/${'x'.repeat(129)}/msg`, code: 'unknown-topic' },
  { what: 'a control character', topic: 'u/da\u0007ve/msg', code: 'unknown-topic' },
]

for (const [index, { what, code, topic = 'u/dave/msg', payload = 'hi' }] of refused.entries()) {
  t.test(`${what} is acknowledged, dropped and explained: ${code}`, async (t) => {
    const client = await connectMallory(t)
    const messageId = 100 + index
    client.send(publishPacket(topic, payload, messageId))
    const [puback] = await client.wait('puback')
    t.equal(puback?.messageId, messageId)
    const [explanation, ...others] = explanations(client)
    t.match(explanation, { code, detail: /\w{3}/, packetId: messageId, clientId: 'phone' })
    t.same(others, [])
    t.notMatch(client.of('publish'), [{ topic: /msg/ }], 'nothing was stored')
    client.send(publishPacket('g/own/msg', 'still welcome', 9))
    await client.wait('puback', 2)
    await bystanders.areUnharmed(t)
  })
}

t.test('a refused publish of QoS 0 and of QoS 2 is explained as well', async (t) => {
  const client = await connectMallory(t)
  const packet = publishPacket('g/club/msg', 'hi', 7)
  client.send({ ...packet, qos: 0 })
  await until('an explanation', () => explanations(client).length === 1)
  client.send({ ...packet, qos: 2 })
  const [pubrec] = await client.wait('pubrec')
  t.equal(pubrec?.messageId, 7)
  client.send({ cmd: 'pubrel', messageId: 7 })
  await client.wait('pubcomp')
  t.match(explanations(client), [
    { code: 'not-a-member', packetId: 0 },
    { code: 'not-a-member', packetId: 7 },
  ])
  t.same(client.of('puback'), [])
  await bystanders.areUnharmed(t)
})

t.test('the explanation goes to all devices of the publisher, naming the one it was', async (t) => {
  const phone = await connectMallory(t)
  const laptop = await connectMallory(t, 'laptop')
  phone.send(publishPacket('t/x', 'hi', 5))
  await until('both hear of it', () =>
    [phone, laptop].every((client) => explanations(client).length === 1),
  )
  t.match(explanations(laptop), [{ code: 'not-authorized', packetId: 5, clientId: 'phone' }])
})

t.test('a payload at the limit is stored whole', async (t) => {
  const client = await connectMallory(t)
  const text = 'é'.repeat(32_768)
  client.send(publishPacket('u/mallory/msg', text, 3))
  await client.wait('puback')
  const found = () => client.of('publish').find(({ topic }) => topic === 'u/mallory/msg')
  await until('the note', () => found() !== undefined)
  t.equal(JSON.parse(found()?.payload.toString() ?? '').text, text)
  t.same(explanations(client), [])
})

t.test('a refused retained publish is not kept for later subscribers', async (t) => {
  const client = await connectMallory(t)
  client.send({ ...publishPacket('u/dave/event', 'retained', 3), retain: true })
  client.send({ ...publishPacket('p/dave', 'offline', 4), retain: true })
  await client.wait('puback', 2)
  const dave = await connectRaw(t, server, { user: 'dave', id: 'tablet' }, { clean: true })
  dave.send(subscribePacket('u/dave/#', 1), { cmd: 'pingreq' })
  await dave.wait('pingresp')
  t.notOk(dave.of('publish').some(({ payload }) => payload.toString() === 'retained'))
  await bystanders.areUnharmed(t)
})
