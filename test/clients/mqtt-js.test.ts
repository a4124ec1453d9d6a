// Chat with MQTT.js, over TCP and over WebSocket, and over websocket-stream as MQTT.js once used
// it.

import { MqttClient } from 'mqtt'
import t from 'tap'
import webSocketStream from 'websocket-stream'
import type { ChatClient } from '../support/chat-client.ts'
import { connectDevice } from '../support/chat-client.ts'
import type { TestServer } from '../support/server.ts'
import { startTestServer, temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'

type Owner = Parameters<typeof startTestServer>[0]

function numbered(count: number, prefix = 'message '): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`)
}

/** Publishes all at QoS 1 without waiting in between; resolves when all are acknowledged. */
async function say(client: ChatClient, topic: string, texts: readonly string[]): Promise<void> {
  await Promise.all(texts.map((text) => client.mqtt.publishAsync(topic, text, { qos: 1 })))
}

async function hears(client: ChatClient, count: number, topic?: string): Promise<void> {
  await until(`${count} messages`, () => client.texts(topic).length >= count)
}

const seqs = (client: ChatClient) => client.received.map(({ json }) => json.seq)

for (const [name, webSocket] of [
  ['TCP', false],
  ['WebSocket', true],
] as const) {
  const connect = (t: Owner, server: TestServer, device: { user: string; id?: string }) =>
    connectDevice(t, server, { id: 'phone', ...device, webSocket })

  /** A device of a user that listens to everything of theirs. */
  const listen = async (t: Owner, server: TestServer, user: string, id = 'phone') => {
    const client = await connect(t, server, { user, id })
    await client.mqtt.subscribeAsync([`u/${user}/msg`, 'g/+/msg'], { qos: 1 })
    return client
  }

  t.test(`${name}: text, JSON and bytes reach the peer and the own other device`, async (t) => {
    const server = await startTestServer(t)
    const bob = await listen(t, server, 'bob')
    const laptop = await listen(t, server, 'alice', 'laptop')
    const alice = await connect(t, server, { user: 'alice' })
    await say(alice, 'u/bob/msg', ['grüße', '{"id":"m1","text":"two","mood":"fine"}'])
    await alice.mqtt.publishAsync('u/bob/msg', Buffer.from([0xff, 0, 1]), { qos: 1 })
    await Promise.all([hears(bob, 3), hears(laptop, 3)])
    t.match(
      bob.received.map(({ json }) => json),
      [
        { seq: 1, from: 'alice', to: 'bob', kind: 'text', text: 'grüße' },
        { seq: 2, id: 'm1', text: 'two', ext: { mood: 'fine' } },
        { seq: 3, kind: 'data', data: Buffer.from([0xff, 0, 1]).toString('base64') },
      ],
    )
    const envelopes = (client: ChatClient) => client.received.map(({ json }) => json)
    t.same(envelopes(laptop), envelopes(bob))
    t.ok(bob.received.every(({ topic, qos }) => topic === 'u/bob/msg' && qos === 1))
    t.ok(laptop.received.every(({ topic }) => topic === 'u/alice/msg'))
  })

  t.test(`${name}: a device that was away gets what it missed, then what is new`, async (t) => {
    const server = await startTestServer(t)
    await server.addGroup('team', ['alice', 'bob'])
    const alice = await connect(t, server, { user: 'alice' })
    const before = await listen(t, server, 'bob')
    t.equal(before.sessionPresent, false)
    await say(alice, 'g/team/msg', ['seen'])
    await hears(before, 1)
    await before.close()
    await say(alice, 'g/team/msg', numbered(600))
    await say(alice, 'u/bob/msg', numbered(50, 'direct '))
    const after = await connect(t, server, { user: 'bob' })
    t.equal(after.sessionPresent, true)
    await say(alice, 'g/team/msg', ['new'])
    await hears(after, 651)
    t.same(after.texts('g/team/msg'), [...numbered(600), 'new'])
    t.same(after.texts('u/bob/msg'), numbered(50, 'direct '))
    t.notOk(after.received.some(({ dup }) => dup))
    await after.close()
    const third = await connect(t, server, { user: 'bob' })
    await say(alice, 'g/team/msg', ['last'])
    await hears(third, 1)
    t.same(third.texts(), ['last'], 'what was acknowledged does not come again')
  })

  t.test(`${name}: a client that loses its connection reconnects and misses nothing`, async (t) => {
    const server = await startTestServer(t)
    const alice = await connect(t, server, { user: 'alice' })
    const device = { user: 'bob', id: 'phone', webSocket }
    const bob = await connectDevice(t, server, device, { reconnectPeriod: 20, resubscribe: true })
    await bob.mqtt.subscribeAsync('u/bob/msg', { qos: 1 })
    const expected = numbered(400)
    for (let cut = 0; cut < 4; cut++) {
      const part = say(alice, 'u/bob/msg', expected.slice(cut * 100, cut * 100 + 100))
      await hears(bob, cut * 100 + 10)
      bob.mqtt.stream.destroy()
      await part
      await until('bob is back', () => bob.mqtt.connected)
    }
    await until('bob has all', () => bob.texts().includes(expected.at(-1)))
    t.same([...new Set(bob.texts())], expected, 'nothing is lost or out of order')
    const again = bob.received.filter(({ json }, i) => seqs(bob).indexOf(json.seq) < i)
    t.ok(
      again.every(({ dup }) => dup),
      'what comes again, as its acknowledgement was cut off, is marked so',
    )
  })

  t.test(`${name}: each device of a user has its own place`, async (t) => {
    const server = await startTestServer(t)
    const alice = await connect(t, server, { user: 'alice' })
    const [phone, tablet] = [
      await listen(t, server, 'bob'),
      await listen(t, server, 'bob', 'tablet'),
    ]
    await say(alice, 'u/bob/msg', ['one'])
    await Promise.all([hears(phone, 1), hears(tablet, 1)])
    await phone.close()
    await say(alice, 'u/bob/msg', ['two'])
    await hears(tablet, 2)
    await tablet.close()
    await say(alice, 'u/bob/msg', ['three'])
    const late = await listen(t, server, 'bob', 'watch')
    const [phone2, tablet2] = [
      await connect(t, server, { user: 'bob' }),
      await connect(t, server, { user: 'bob', id: 'tablet' }),
    ]
    await say(alice, 'u/bob/msg', ['four'])
    await Promise.all([hears(phone2, 3), hears(tablet2, 2), hears(late, 1)])
    t.same(phone2.texts(), ['two', 'three', 'four'])
    t.same(tablet2.texts(), ['three', 'four'])
    t.same(late.texts(), ['four'], 'a device seen for the first time starts at the head')
  })

  t.test(`${name}: many talk at once, and all hear one same order`, async (t) => {
    const server = await startTestServer(t)
    const users = ['alice', 'bob', 'carol', 'dave']
    await server.addGroup('team', users)
    const clients = await Promise.all(users.map((user) => listen(t, server, user)))
    const each = 250
    await Promise.all(
      clients.flatMap((client, i) => [
        say(client, 'g/team/msg', numbered(each, `${users[i]} `)),
        say(client, `u/${users[(i + 1) % 4]}/msg`, numbered(each, `${users[i]} direct `)),
      ]),
    )
    // The group, what one said to the next, and what the one before said.
    await Promise.all(clients.map((client) => hears(client, each * 6)))
    const groupOf = (client: ChatClient) =>
      client.received.filter(({ topic }) => topic === 'g/team/msg').map(({ json }) => json)
    const first = groupOf(clients[0] as ChatClient)
    t.same(
      first.map(({ seq }) => seq),
      Array.from({ length: each * 4 }, (_, i) => i + 1),
    )
    for (const client of clients) t.same(groupOf(client), first, 'one same order')
    for (const user of users) {
      const own = first.filter(({ from }) => from === user).map(({ text }) => text)
      t.same(own, numbered(each, `${user} `), `${user} in order`)
    }
    for (const [i, client] of clients.entries()) {
      const peer = users[(i + 3) % 4]
      const direct = client.received.filter(
        ({ topic, json }) => topic.startsWith('u/') && json.from === peer,
      )
      t.same(
        direct.map(({ json }) => json.text),
        numbered(each, `${peer} direct `),
      )
    }
  })

  t.test(`${name}: a device that connects again takes its session over`, async (t) => {
    const server = await startTestServer(t)
    const alice = await connect(t, server, { user: 'alice' })
    const first = await listen(t, server, 'bob')
    let closings = 0
    first.mqtt.on('close', () => closings++)
    await say(alice, 'u/bob/msg', numbered(20))
    await hears(first, 20)
    // The answer comes after the server has read the acknowledgements, which TCP may hold back.
    await first.mqtt.subscribeAsync('u/bob/error')
    const talk = say(alice, 'u/bob/msg', numbered(300, 'during '))
    const second = await connect(t, server, { user: 'bob' })
    await talk
    await until('the old connection is closed', () => closings === 1)
    t.equal(second.sessionPresent, true)
    const texts = () => [...first.texts(), ...second.texts()]
    await until('the last is there', () => texts().includes('during 300'))
    const heard = texts()
    t.same([...new Set(heard)], [...numbered(20), ...numbered(300, 'during ')], 'no loss')
    t.notOk(
      second.texts().some((text) => numbered(20).includes(text as string)),
      'what was acknowledged does not come again',
    )
    const seen = new Set(seqs(first))
    const repeated = second.received.filter(({ json }) => seen.has(json.seq))
    t.ok(
      repeated.every(({ dup }) => dup),
      'what was only sent comes again as a duplicate',
    )
  })

  t.test(`${name}: many connects of one device at once leave exactly one`, async (t) => {
    const server = await startTestServer(t)
    const alice = await connect(t, server, { user: 'alice' })
    await (await listen(t, server, 'bob')).close()
    const attempts = await Promise.allSettled(
      numbered(8).map(() => connect(t, server, { user: 'bob' })),
    )
    const clients = attempts.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []))
    await until('one is left', () => clients.filter((it) => it.mqtt.connected).length === 1)
    await say(alice, 'u/bob/msg', ['who is it?'])
    await until('it hears', () => clients.some((client) => client.texts().length > 0))
    t.same(
      clients.flatMap((client) => client.texts()),
      ['who is it?'],
    )
  })

  t.test(`${name}: the client id of another user is another device`, async (t) => {
    const server = await startTestServer(t)
    const alice = await connect(t, server, { user: 'alice' })
    const bob = await listen(t, server, 'bob', 'same-id')
    let closings = 0
    bob.mqtt.on('close', () => closings++)
    const eve = await listen(t, server, 'eve', 'same-id')
    t.equal(eve.sessionPresent, false)
    await say(alice, 'u/bob/msg', ['for bob'])
    await say(alice, 'u/eve/msg', ['for eve'])
    await Promise.all([hears(bob, 1), hears(eve, 1)])
    t.same([bob.texts(), eve.texts()], [['for bob'], ['for eve']])
    await bob.close()
    await say(alice, 'u/bob/msg', ['kept for bob'])
    await eve.close()
    const device = { user: 'eve', id: 'same-id', webSocket }
    await (await connectDevice(t, server, device, { clean: true })).close()
    const back = await connect(t, server, { user: 'bob', id: 'same-id' })
    t.equal(back.sessionPresent, true, 'she could not end his session')
    await hears(back, 1)
    t.same(back.texts(), ['kept for bob'])
    t.equal(closings, 1, 'only he closed his connection')
  })

  t.test(`${name}: clean=true forgets what the device was`, async (t) => {
    const server = await startTestServer(t)
    const alice = await connect(t, server, { user: 'alice' })
    await (await listen(t, server, 'bob')).close()
    await say(alice, 'u/bob/msg', ['missed'])
    const device = { user: 'bob', id: 'phone', webSocket }
    const clean = await connectDevice(t, server, device, { clean: true })
    t.equal(clean.sessionPresent, false)
    await clean.mqtt.subscribeAsync('u/bob/msg', { qos: 1 })
    await say(alice, 'u/bob/msg', ['live'])
    await hears(clean, 1)
    t.same(clean.texts(), ['live'])
    await clean.close()
    await say(alice, 'u/bob/msg', ['missed again'])
    const back = await listen(t, server, 'bob')
    t.equal(back.sessionPresent, false)
    await say(alice, 'u/bob/msg', ['new'])
    await hears(back, 1)
    t.same(back.texts(), ['new'])
  })

  t.test(`${name}: a server that stops and starts again knows every device`, async (t) => {
    const data = temporaryFolder(t)
    const first = await startTestServer(t, { data })
    await first.addGroup('team', ['alice', 'bob'])
    const bob = await listen(t, first, 'bob')
    const away = await listen(t, first, 'bob', 'tablet')
    await away.close()
    const alice = await listen(t, first, 'alice')
    await say(alice, 'g/team/msg', numbered(100))
    await hears(bob, 100)
    // An answer to bob says that the server has read what he acknowledged before.
    await say(bob, 'u/alice/msg', ['I have all'])
    await first.close()
    await until('all are closed', () => !bob.mqtt.connected && !alice.mqtt.connected)
    const second = await startTestServer(t, { data })
    const talker = await connect(t, second, { user: 'alice' })
    t.equal(talker.sessionPresent, true)
    const phone = await connect(t, second, { user: 'bob' })
    const tablet = await connect(t, second, { user: 'bob', id: 'tablet' })
    t.same([phone.sessionPresent, tablet.sessionPresent], [true, true])
    await say(talker, 'g/team/msg', ['new'])
    await Promise.all([hears(phone, 1, 'g/team/msg'), hears(tablet, 101, 'g/team/msg')])
    t.same(phone.texts('g/team/msg'), ['new'])
    t.same(tablet.texts('g/team/msg'), [...numbered(100), 'new'])
    t.same(tablet.texts('u/bob/msg'), ['I have all'])
    t.ok(seqs(tablet).includes(101), 'the sequence goes on')
  })
}

t.test('MQTT.js chats over a stream of websocket-stream', async (t) => {
  const server = await startTestServer(t)
  const bob = await connectDevice(t, server, { user: 'bob', id: 'phone' })
  await bob.mqtt.subscribeAsync('u/bob/msg', { qos: 1 })
  const url = `ws://127.0.0.1:${server.httpPort}/mqtt`
  const options = { username: 'alice', clientId: 'old', password: await server.token('alice') }
  const client = new MqttClient(() => webSocketStream(url, ['mqtt']), {
    ...options,
    reconnectPeriod: 0,
  })
  t.teardown(() => client.endAsync(true))
  const texts = numbered(500)
  await Promise.all(texts.map((text) => client.publishAsync('u/bob/msg', text, { qos: 1 })))
  await hears(bob, 500)
  t.same(bob.texts(), texts)
  await client.publishAsync('u/bob/msg', 'x'.repeat(60_000), { qos: 2 })
  await hears(bob, 501)
  t.equal(bob.texts().at(-1), 'x'.repeat(60_000))
})
