// Answers to PUBLISH and PUBREL at level 5: a message that is refused is told at once.

import type { IPublishPacket } from 'mqtt-packet'
import t, { type Test } from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { bytesOf, connectRaw, publishPacket, subscribePacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'

const server = await startTestServer(t, { payloadBytesMax: '1000', publishesInFlightMax: '4' })
await server.addGroup('team', ['alice', 'bob'])
await server.addGroup('others', ['bob'])

let devices = 0

type Fields = Parameters<typeof connectRaw>[3]

async function connect(t: Test, user: string, fields: Fields = {}): Promise<RawClient> {
  const id = `device-${++devices}`
  return connectRaw(t, server, { user, id, level: 5 }, { clean: true, ...fields })
}

const atQos2 = (topic: string, text: string, messageId: number): IPublishPacket => ({
  ...publishPacket(topic, text, messageId),
  qos: 2,
})

/** What is refused, with its code and its reason code. */
const refusals = [
  { topic: 'g/others/msg', payload: 'hi', code: 'not-a-member', reason: 0x87 },
  { topic: 'g/others/read', payload: '{"seq":1}', code: 'not-a-member', reason: 0x87 },
  { topic: 't/unasked', payload: 'hi', code: 'not-authorized', reason: 0x87 },
  { topic: 'u/nobody/msg', payload: 'hi', code: 'unknown-user', reason: 0x90 },
  { topic: 'u/alice/event', payload: 'hi', code: 'unknown-topic', reason: 0x90 },
  { topic: 'g/team/msg', payload: 'x'.repeat(1001), code: 'payload-too-large', reason: 0x97 },
  { topic: 'g/team/msg', payload: '{"id":7}', code: 'invalid-payload', reason: 0x99 },
  { topic: 'g/team/read', payload: 'all', code: 'invalid-payload', reason: 0x99 },
]

for (const { topic, payload, code, reason } of refusals) {
  t.test(`${code} on ${topic} is answered with 0x${reason.toString(16)}`, async (t) => {
    const alice = await connect(t, 'alice')
    alice.send(subscribePacket('u/alice/error', 1))
    await alice.wait('suback')
    alice.send(publishPacket(topic, payload, 5), { ...publishPacket(topic, payload, 6), qos: 2 })
    const [puback] = await alice.wait('puback')
    const [pubrec] = await alice.wait('pubrec')
    t.match(puback, { messageId: 5, reasonCode: reason })
    t.match(puback?.properties, { reasonString: String, userProperties: { code } })
    t.match(pubrec, { messageId: 6, reasonCode: reason, properties: { userProperties: { code } } })
    const [explanation] = await alice.wait('publish', 2)
    const explained = JSON.parse(explanation?.payload.toString() ?? '')
    t.match(explained, { code, packetId: 5 }, 'and explained to all devices, as at level 4')
    t.equal(explained.detail, puback?.properties?.reasonString)
  })
}

t.test('what is accepted is answered with the shortest PUBACK [MQTT5 3.4.2.1]', async (t) => {
  const alice = await connect(t, 'alice')
  const bytes: Buffer[] = []
  alice.stream.on('data', (chunk: Buffer) => bytes.push(chunk))
  alice.send(publishPacket('g/team/msg', 'fine', 5))
  await alice.wait('puback')
  t.same(Buffer.concat(bytes), bytesOf(0x40, 0, 5))
})

t.test('Request Problem Information 0: nothing but the code [MQTT5-3.1.2-29]', async (t) => {
  const alice = await connect(t, 'alice', { properties: { requestProblemInformation: false } })
  const bytes: Buffer[] = []
  alice.stream.on('data', (chunk: Buffer) => bytes.push(chunk))
  alice.send(publishPacket('u/nobody/msg', 'hi', 5))
  await alice.wait('puback')
  t.same(Buffer.concat(bytes), bytesOf(0x40, 0, 5, 0x90))
})

t.test('what would make the answer too large is left out [MQTT5-3.4.2-2]', async (t) => {
  const alice = await connect(t, 'alice', { properties: { maximumPacketSize: 24 } })
  alice.send(publishPacket('u/nobody/msg', 'hi', 5), atQos2('u/nobody/msg', 'hi', 6))
  const [puback] = await alice.wait('puback')
  const [pubrec] = await alice.wait('pubrec')
  t.match([puback, pubrec], [{ reasonCode: 0x90 }, { reasonCode: 0x90 }])
  t.same([puback?.properties, pubrec?.properties], [undefined, undefined])
})

t.test('a PUBREC that refuses frees the packet id at once [MQTT5 4.3.3]', async (t) => {
  const alice = await connect(t, 'alice')
  for (let round = 1; round <= 5; round++) {
    alice.send(atQos2('u/nobody/msg', 'hi', 7))
    await alice.wait('pubrec', round)
  }
  alice.send(atQos2('g/team/msg', 'now', 7))
  const answers = await alice.wait('pubrec', 6)
  t.equal(answers.at(-1)?.reasonCode ?? 0, 0)
  alice.send({ cmd: 'pubrel', messageId: 7 })
  const [pubcomp] = await alice.wait('pubcomp')
  t.equal(pubcomp?.reasonCode ?? 0, 0)
})

t.test('so it does with one that an earlier connection took, durably', async (t) => {
  const device = { user: 'alice', id: 'phone', level: 5 } as const
  const properties = { sessionExpiryInterval: 1000 }
  const publish = async (topic: string, text: string, dup: boolean) => {
    const alice = await connectRaw(t, server, device, { properties })
    alice.send({ ...atQos2(topic, text, 7), dup })
    const [pubrec] = await alice.wait('pubrec')
    alice.stream.destroy()
    return pubrec?.reasonCode ?? 0
  }
  const bob = await connect(t, 'bob')
  bob.send(subscribePacket('g/team/msg', 1))
  await bob.wait('suback')
  t.equal(await publish('g/team/msg', 'first', false), 0)
  t.equal(await publish('g/team/msg', 'first', true), 0)
  t.equal(await publish('u/nobody/msg', 'second', false), 0x90)
  t.equal(await publish('g/team/msg', 'first', true), 0)
  const messages = await bob.wait('publish', 2)
  const texts = messages.map(({ payload }) => JSON.parse(payload.toString()).text)
  t.same(texts, ['first', 'first'], 'the last one is a message of its own')
})

t.test('PUBREL of an id that nobody knows is told so with 0x92 [MQTT5 3.7.2.1]', async (t) => {
  const alice = await connect(t, 'alice')
  alice.send({ cmd: 'pubrel', messageId: 9 })
  const [pubcomp] = await alice.wait('pubcomp')
  t.match(pubcomp, { messageId: 9, reasonCode: 0x92 })
})

t.test(
  'more QoS 2 messages than the Receive Maximum end the connection [MQTT5 3.3.4]',
  async (t) => {
    const alice = await connect(t, 'alice')
    for (let id = 1; id <= 4; id++) alice.send(atQos2('g/team/msg', `m${id}`, id))
    await alice.wait('pubrec', 4)
    alice.send({ cmd: 'pubrel', messageId: 1 })
    await alice.wait('pubcomp')
    alice.send(atQos2('g/team/msg', 'm5', 5))
    await alice.wait('pubrec', 5)
    alice.send(atQos2('g/team/msg', 'm6', 6))
    await alice.closed()
  },
)

t.test('a client that pipelines more at QoS 1 than the Receive Maximum is held back', async (t) => {
  const alice = await connect(t, 'alice')
  const ids = Array.from({ length: 50 }, (_, index) => index + 1)
  alice.send(...ids.map((id) => publishPacket('g/team/msg', `m${id}`, id)))
  const answers = await alice.wait('puback', 50)
  t.same(
    answers.map(({ messageId }) => messageId),
    ids,
    'in order',
  )
})
