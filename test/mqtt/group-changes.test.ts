// Group membership that changes over HTTP while devices are connected, and while they are away.

import t from 'tap'
import type { ChatClient } from '../support/chat-client.ts'
import { connectDevice } from '../support/chat-client.ts'
import { isRefused } from '../support/level.ts'
import type { TestServer } from '../support/server.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

type Owner = Parameters<typeof startTestServer>[0]

interface Scene {
  readonly server: TestServer
  readonly alice: ChatClient
  readonly say: (text: string) => Promise<unknown>
  readonly add: (user: string) => Promise<void>
  readonly remove: (user: string) => Promise<void>
  /** A device of bob that listens to all his groups. */
  readonly bob: (options?: { filter?: string; id?: string }) => Promise<ChatClient>
}

/** A group `team` that alice owns, and bob, who is a user. */
async function makeScene(t: Owner, members = ['alice']): Promise<Scene> {
  const server = await startTestServer(t)
  await server.addGroup('team', members)
  await server.addUser('bob')
  const token = await server.token('alice')
  const alice = await connectDevice(t, server, { user: 'alice', id: 'phone' })
  const change = async (method: string, user: string) => {
    const answer = await server.request(method, `/v1/groups/team/members/${user}`, { token })
    if (answer.status !== 204) throw new Error(JSON.stringify(answer))
  }
  return {
    server,
    alice,
    say: (text) => alice.mqtt.publishAsync('g/team/msg', text, { qos: 1 }),
    add: (user) => change('PUT', user),
    remove: (user) => change('DELETE', user),
    async bob({ filter = 'g/+/msg', id = 'phone' } = {}) {
      const client = await connectDevice(t, server, { user: 'bob', id })
      const granted = await client.mqtt.subscribeAsync([filter, 'u/bob/#'], { qos: 1 })
      if (granted.some(({ qos }) => qos >= 128)) throw new Error(`${filter} was refused`)
      return client
    },
  }
}

const teamTexts = (client: ChatClient) => client.texts('g/team/msg')
const events = (client: ChatClient) =>
  client.received
    .filter(({ topic }) => topic === 'u/bob/event')
    .map(({ json }) => json)
    .filter(({ type }) => type === 'joined' || type === 'left')

for (const filter of ['g/+/msg', 'g/+/#']) {
  t.test(`who is added hears what comes from then on, by ${filter}`, async (t) => {
    const { say, add, bob } = await makeScene(t)
    const phone = await bob({ filter })
    await say('before')
    await add('bob')
    await say('after')
    await until('bob hears', () => teamTexts(phone).length > 0)
    t.same(teamTexts(phone), ['after'])
    t.match(events(phone), [{ type: 'joined', group: 'team' }])
    await phone.mqtt.publishAsync('g/team/msg', 'hello', { qos: 1 })
    await until('bob hears himself', () => teamTexts(phone).length > 1)
    t.same(teamTexts(phone), ['after', 'hello'])
  })
}

t.test('who is removed hears nothing more, and may not publish', async (t) => {
  const { alice, say, remove, bob } = await makeScene(t, ['alice', 'bob'])
  await alice.mqtt.subscribeAsync('g/+/msg', { qos: 1 })
  const phone = await bob()
  await say('one')
  await phone.mqtt.publishAsync('g/team/msg', 'two', { qos: 1 })
  await until('bob has both', () => teamTexts(phone).length >= 2)
  await remove('bob')
  await say('three')
  await isRefused(phone.mqtt.publishAsync('g/team/msg', 'refused', { qos: 1 }))
  await until('it is explained', () => phone.received.some(({ topic }) => topic === 'u/bob/error'))
  t.match(phone.received.at(-1)?.json, { code: 'not-a-member', clientId: 'phone' })
  await say('four')
  // What was sent to bob before this message would have come before it.
  await alice.mqtt.publishAsync('u/bob/msg', 'a direct message', { qos: 1 })
  await until('bob hears alice', () => phone.texts('u/bob/msg').length > 0)
  t.same(teamTexts(phone), ['one', 'two'])
  t.match(events(phone), [{ type: 'left', group: 'team' }])
  t.same(teamTexts(alice), ['one', 'two', 'three', 'four'])
})

t.test('a filter that names the group ends with the membership', async (t) => {
  const { say, remove, add, bob } = await makeScene(t, ['alice', 'bob'])
  const phone = await bob({ filter: 'g/team/msg' })
  await remove('bob')
  const again = await phone.mqtt.subscribeAsync('g/team/msg', { qos: 1 }).catch(() => 'refused')
  t.equal(again, 'refused', 'and is not granted any more')
  await say('unheard')
  await add('bob')
  await phone.mqtt.subscribeAsync('g/team/msg', { qos: 1 })
  await say('heard')
  await until('bob hears', () => teamTexts(phone).length > 0)
  t.same(teamTexts(phone), ['heard'])
})

t.test('a device that was away when its user was removed gets nothing of the group', async (t) => {
  const { server, alice, say, remove, bob } = await makeScene(t, ['alice', 'bob'])
  const phone = await bob()
  await phone.close()
  await say('missed as a member')
  await remove('bob')
  await say('missed as none')
  const back = await connectDevice(t, server, { user: 'bob', id: 'phone' })
  t.equal(back.sessionPresent, true)
  await alice.mqtt.publishAsync('u/bob/msg', 'a direct message', { qos: 1 })
  await until('bob hears alice', () => back.texts('u/bob/msg').length > 0)
  await say('live')
  await alice.mqtt.publishAsync('u/bob/msg', 'the last', { qos: 1 })
  await until('bob hears the last', () => back.texts('u/bob/msg').length > 1)
  t.same(teamTexts(back), [])
})

t.test('who was added while away starts where they joined', async (t) => {
  const { server, say, add, bob } = await makeScene(t)
  const phone = await bob()
  await phone.close()
  await say('before')
  await add('bob')
  await say('first')
  await say('second')
  const back = await connectDevice(t, server, { user: 'bob', id: 'phone' })
  await until('bob has both', () => teamTexts(back).length >= 2)
  t.same(teamTexts(back), ['first', 'second'])
})

t.test('who was removed and added again does not get what lies between', async (t) => {
  const { server, say, add, remove, bob } = await makeScene(t, ['alice', 'bob'])
  const connected = await bob({ id: 'laptop' })
  const away = await bob()
  await away.close()
  await remove('bob')
  await say('between')
  await add('bob')
  await say('again')
  const back = await connectDevice(t, server, { user: 'bob', id: 'phone' })
  await until('both hear', () => [connected, back].every((it) => teamTexts(it).length > 0))
  t.same(teamTexts(connected), ['again'])
  t.same(teamTexts(back), ['again'])
})

t.test('a member of many changes hears exactly what was said while a member', async (t) => {
  const { say, add, remove, bob } = await makeScene(t)
  const phone = await bob()
  const expected: string[] = []
  for (let round = 1; round <= 20; round++) {
    await say(`out ${round}`)
    await add('bob')
    for (const text of [`in ${round} a`, `in ${round} b`]) {
      await say(text)
      expected.push(text)
    }
    await until('bob has them', () => teamTexts(phone).length >= expected.length)
    await remove('bob')
  }
  t.same(teamTexts(phone), expected)
})

t.test('a group that is made reaches its members at once', async (t) => {
  const { server, bob, alice } = await makeScene(t)
  const phone = await bob()
  const token = await server.token('alice')
  const body = { group: 'new', members: ['bob'] }
  const { status } = await server.request('POST', '/v1/groups', { token, body })
  t.equal(status, 201)
  await alice.mqtt.publishAsync('g/new/msg', 'welcome', { qos: 1 })
  await until('bob hears', () => phone.texts('g/new/msg').length > 0)
  t.same(phone.texts('g/new/msg'), ['welcome'])
})
