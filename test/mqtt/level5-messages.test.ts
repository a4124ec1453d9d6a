// Messages of chat at level 5: the properties they come and go with, and No Local.

import type { IPublishPacket, ISubscribePacket, UserProperties } from 'mqtt-packet'
import t, { type Test } from 'tap'
import { variableInteger } from '../../broker/edge/variable-integer.ts'
import type { RawClient } from '../support/raw-client.ts'
import { connectRaw, field, publishPacket, subscribePacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'

const server = await startTestServer(t, { payloadBytesMax: '1000' })
await server.addGroup('team', ['alice', 'bob'])

let devices = 0

type Fields = Parameters<typeof connectRaw>[3]

async function connect(t: Test, user: string, fields: Fields = {}): Promise<RawClient> {
  const id = `device-${++devices}`
  return connectRaw(t, server, { user, id, level: 5 }, { clean: true, ...fields })
}

async function listen(t: Test, user: string, filter: string, fields: Fields = {}) {
  const client = await connect(t, user, fields)
  client.send(subscribePacket(filter, 1))
  await client.wait('suback')
  return client
}

/** A device of level 4 that listens. */
async function listenAt4(t: Test, user: string, filter: string) {
  const client = await connectRaw(t, server, { user, id: `device-${++devices}` }, { clean: true })
  client.send(subscribePacket(filter, 1))
  await client.wait('suback')
  return client
}

function publishWith(
  topic: string,
  payload: string | Buffer,
  properties: NonNullable<IPublishPacket['properties']>,
): IPublishPacket {
  return { ...publishPacket(topic, payload, 9), properties }
}

/** A variable byte integer. */
const length = (value: number) => Buffer.from(variableInteger(value))

const json = ({ payload }: IPublishPacket) => JSON.parse(payload.toString())

t.test('a message says in properties who said it, where and in what place', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await listen(t, 'bob', 'g/team/msg')
  alice.send(publishPacket('g/team/msg', '{"id":"m-1","text":"hello"}', 1))
  const [message] = (await bob.wait('publish')) as [IPublishPacket]
  const envelope = json(message)
  t.same(
    { ...message.properties, userProperties: { ...message.properties?.userProperties } },
    {
      payloadFormatIndicator: true,
      contentType: 'application/json',
      userProperties: {
        conversation: 'g:team',
        seq: String(envelope.seq),
        from: 'alice',
        id: 'm-1',
        at: String(envelope.at),
        kind: 'text',
      },
    },
  )
})

t.test('also one that is caught up with, and one that comes again', async (t) => {
  const device = { user: 'bob', id: 'phone', level: 5, acknowledge: false } as const
  const lasting = { clean: false, properties: { sessionExpiryInterval: 1000 } }
  const before = await connectRaw(t, server, device, lasting)
  before.send(subscribePacket('u/bob/msg', 1))
  await before.wait('suback')
  const alice = await connect(t, 'alice')
  alice.send(publishPacket('u/bob/msg', 'one', 1))
  await before.wait('publish')
  before.stream.destroy()
  alice.send(publishPacket('u/bob/msg', 'two', 2))
  await alice.wait('puback', 2)
  const after = await connectRaw(t, server, device, lasting)
  const messages = await after.wait('publish', 2)
  t.same(
    messages.map(({ dup, properties }) => [dup, properties?.userProperties?.seq]),
    [
      [true, '1'],
      [false, '2'],
    ],
  )
})

t.test('the identifiers of all subscriptions that match come along [MQTT5-3.3.4-4]', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await connect(t, 'bob')
  const subscribe = (messageId: number, filter: string, subscriptionIdentifier: number) => {
    const packet: ISubscribePacket = subscribePacket(filter, messageId)
    bob.send({ ...packet, properties: { subscriptionIdentifier } } as ISubscribePacket)
  }
  subscribe(1, 'g/+/#', 7)
  subscribe(2, 'g/team/msg', 300)
  subscribe(3, 'u/bob/#', 9)
  await bob.wait('suback', 3)
  alice.send(publishPacket('g/team/msg', 'both', 1), publishPacket('u/bob/msg', 'one', 2))
  alice.send(publishPacket('g/team/typing', '{}', 0))
  await bob.wait('publish', 4)
  const identifiers = (topic: string) => {
    const message = bob.of('publish').find((it) => it.topic === topic)
    return [message?.properties?.subscriptionIdentifier].flat()
  }
  t.same([...identifiers('g/team/msg')].sort(), [300, 7])
  t.same(identifiers('u/bob/msg'), [9])
  t.same(identifiers('g/team/typing'), [7])
  t.same(identifiers('u/bob/event'), [9])
})

t.test('notices are said to be JSON', async (t) => {
  const alice = await listen(t, 'alice', 'u/alice/error')
  alice.send(publishPacket('u/nobody/msg', 'hi', 1))
  const [notice] = await alice.wait('publish')
  const { payloadFormatIndicator, contentType } = notice?.properties ?? {}
  t.same([payloadFormatIndicator, contentType], [true, 'application/json'])
})

t.test('user properties reach everybody: in ext, and at level 5 as what they were', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await listen(t, 'bob', 'g/team/msg')
  const old = await listenAt4(t, 'bob', 'g/team/msg')
  const userProperties = { trace: 'abc', tag: ['x', 'y'], from: 'mallory', text: 'aside' }
  alice.send(publishWith('g/team/msg', 'hello', { userProperties }))
  const [message] = (await bob.wait('publish')) as [IPublishPacket]
  const [same] = (await old.wait('publish')) as [IPublishPacket]
  t.same(json(same).ext, userProperties)
  t.equal(json(same).text, 'hello')
  t.equal(json(same).from, 'alice', 'what the server says is not to be overwritten')
  const heard = message.properties?.userProperties as UserProperties
  t.match(heard, { trace: 'abc', tag: ['x', 'y'], text: 'aside', from: 'alice' })
  t.same(Object.keys(heard).slice(6), ['trace', 'tag', 'text'], 'in their order')
})

t.test('the names of a JSON payload win over user properties', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await listen(t, 'bob', 'g/team/msg')
  const payload = JSON.stringify({ text: 'x', color: 'red', ext: { size: 1, ['__proto__']: 2 } })
  const userProperties = { color: 'blue', size: 'big', more: 'yes' }
  alice.send(publishWith('g/team/msg', payload, { userProperties }))
  const [message] = (await bob.wait('publish')) as [IPublishPacket]
  t.match(json(message).ext, { color: 'red', size: 1, more: 'yes' })
  t.match(message.properties?.userProperties, { color: 'red', more: 'yes' })
  t.notOk('size' in (message.properties?.userProperties ?? {}), 'a number is no text')
})

t.test('user properties count as they are on the wire, and are 64 at most', async (t) => {
  const alice = await connect(t, 'alice')
  const sixtyFour = { userProperties: { '': new Array<string>(64).fill('') } }
  const more = { userProperties: { '': new Array<string>(65).fill('') } }
  alice.send(publishWith('g/team/msg', 'fits', sixtyFour))
  t.match(await alice.wait('puback'), [{ reasonCode: 0 }])
  alice.send(publishWith('g/team/msg', 'too many', more))
  t.match((await alice.wait('puback', 2))[1], { reasonCode: 0x99 })
  // 700 bytes and 64 pairs of 5 bytes are more than the 1000 that are accepted.
  alice.send(publishWith('g/team/msg', 'x'.repeat(700), sixtyFour))
  t.match((await alice.wait('puback', 3))[2], { reasonCode: 0x97 })
})

t.test('tens of thousands of user properties hold nobody up', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await connect(t, 'bob')
  const count = 50_000
  const pairs = Buffer.alloc(5 * count)
  for (let at = 0; at < pairs.length; at += 5) pairs[at] = 0x26
  const rest = Buffer.concat([field('g/team/msg'), Buffer.of(0, 9), length(pairs.length), pairs])
  alice.send(Buffer.concat([Buffer.of(0x32), length(rest.length), rest]))
  bob.send({ cmd: 'pingreq' })
  await bob.wait('pingresp')
  t.match(await alice.wait('puback'), [{ reasonCode: 0x97 }])
})

t.test('a list that would repeat a long name does not go out as properties', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await listen(t, 'bob', 'g/team/msg')
  const ext = { ['n'.repeat(100)]: new Array<string>(40).fill(''), short: ['a', 'b'] }
  alice.send(publishPacket('g/team/msg', JSON.stringify({ ext }), 1))
  const [message] = (await bob.wait('publish')) as [IPublishPacket]
  const { userProperties = {} } = message.properties ?? {}
  t.same(Object.keys(userProperties).slice(6), ['short'])
  t.same(json(message).ext, ext, 'the envelope has all of it')
})

t.test('bytes keep what was said beside them', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await listen(t, 'bob', 'g/team/msg')
  const properties = { contentType: 'image/png', userProperties: { name: 'a.png' } }
  alice.send(publishWith('g/team/msg', Buffer.of(0xff, 0xfe), properties))
  const [message] = (await bob.wait('publish')) as [IPublishPacket]
  const envelope = json(message)
  t.match(envelope, { kind: 'data', data: '//4=' })
  t.same(envelope.ext, { name: 'a.png', contentType: 'image/png' })
  t.equal(message.properties?.contentType, 'application/json', 'what comes is the envelope')
})

t.test('response topic and correlation data come through [MQTT5-3.3.2-15, -16]', async (t) => {
  const alice = await connect(t, 'alice')
  const bob = await listen(t, 'bob', 'g/team/msg')
  const asked = { responseTopic: 'u/alice/msg', correlationData: Buffer.of(0, 1, 255) }
  alice.send(publishWith('g/team/msg', 'what time is it?', asked))
  const [message] = (await bob.wait('publish')) as [IPublishPacket]
  t.match(message.properties, asked)
  t.same(json(message).ext, { responseTopic: 'u/alice/msg', correlationData: 'AAH/' })
})

t.test('what apps of lower levels put into ext cannot break the packet', async (t) => {
  const alice = await connectRaw(t, server, { user: 'alice', id: 'old' }, { clean: true })
  const bob = await listen(t, 'bob', 'g/team/msg')
  const ext = { nul: 'a\0b', '\0': 'x', responseTopic: 'a/#', correlationData: 7, list: ['a', 1] }
  alice.send(publishPacket('g/team/msg', JSON.stringify({ text: 'x', ext, fine: 'yes' }), 1))
  const [message] = (await bob.wait('publish')) as [IPublishPacket]
  t.same(json(message).ext, { ...ext, fine: 'yes' })
  t.same(Object.keys(message.properties?.userProperties ?? {}).slice(6), ['fine'])
  t.notOk(message.properties?.responseTopic)
  t.notOk(message.properties?.correlationData)
})

t.test('a payload that is said to be UTF-8 must be [MQTT5 3.3.2.3.2]', async (t) => {
  const alice = await connect(t, 'alice')
  const properties = { payloadFormatIndicator: true }
  alice.send(publishWith('g/team/msg', Buffer.of(0xff), properties))
  alice.send(publishWith('g/team/msg', 'ü', properties))
  const answers = await alice.wait('puback', 2)
  t.same(
    answers.map(({ reasonCode }) => reasonCode ?? 0),
    [0x99, 0],
  )
})

t.test('properties count towards the size of a message', async (t) => {
  const alice = await connect(t, 'alice')
  const userProperties = { padding: 'x'.repeat(600) }
  alice.send(publishWith('g/team/msg', 'y'.repeat(600), { userProperties }))
  const [answer] = await alice.wait('puback')
  t.equal(answer?.reasonCode, 0x97)
})

t.test('No Local keeps from a device what it published itself [MQTT5-3.8.3-3]', async (t) => {
  const alice = await connect(t, 'alice')
  const laptop = await listen(t, 'alice', 'g/+/msg')
  const subscriptions = [{ topic: 'g/+/msg', qos: 1 as const, nl: true }]
  alice.send({ cmd: 'subscribe', messageId: 1, subscriptions })
  await alice.wait('suback')
  const texts = ['one', 'two', 'three']
  alice.send(...texts.map((text, index) => publishPacket('g/team/msg', text, index + 1)))
  await laptop.wait('publish', 3)
  laptop.send(publishPacket('g/team/msg', 'four', 4))
  const [first] = (await alice.wait('publish')) as [IPublishPacket]
  t.equal(json(first).text, 'four', 'what the other device of the user says comes')
  alice.send(subscribePacket('g/team/msg', 2))
  await alice.wait('suback', 2)
  alice.send(publishPacket('g/team/msg', 'five', 5))
  const messages = await alice.wait('publish', 2)
  t.equal(json(messages[1] as IPublishPacket).text, 'five', 'another filter wants it')
})

t.test('No Local holds for a device that is behind', async (t) => {
  const subscriptions = [{ topic: 'g/+/msg', qos: 1 as const, nl: true }]
  const fields = { properties: { receiveMaximum: 1 } }
  const device = { user: 'alice', id: 'slow', level: 5, acknowledge: false } as const
  const alice = await connectRaw(t, server, device, { clean: true, ...fields })
  const bob = await connect(t, 'bob')
  alice.send({ cmd: 'subscribe', messageId: 1, subscriptions })
  await alice.wait('suback')
  bob.send(publishPacket('g/team/msg', 'a', 1), publishPacket('g/team/msg', 'b', 2))
  await bob.wait('puback', 2)
  alice.send(publishPacket('g/team/msg', 'mine', 1))
  await alice.wait('puback')
  bob.send(publishPacket('g/team/msg', 'c', 3))
  await bob.wait('puback', 3)
  for (let count = 1; count <= 3; count++) {
    const message = (await alice.wait('publish', count))[count - 1] as IPublishPacket
    alice.send({ cmd: 'puback', messageId: message.messageId as number })
  }
  t.same(
    alice.of('publish').map((it) => json(it).text),
    ['a', 'b', 'c'],
  )
})
