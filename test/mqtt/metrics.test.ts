// The metrics of a server that has had traffic: what clients did is what they say.

import t from 'tap'
import { connectDevice } from '../support/chat-client.ts'
import {
  connectRaw,
  openRaw,
  publishPacket,
  type RawClient,
  subscribePacket,
} from '../support/raw-client.ts'
import type { TestServer } from '../support/server.ts'
import { adminToken, startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

/** The values by what stands before them: `name{label="value"}`. */
async function scrape({ httpUrl }: TestServer): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${httpUrl}/metrics`, { headers: { connection: 'close' } })
  const lines = (await response.text()).split('\n').filter((line) => line && line[0] !== '#')
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ')
      return [line.slice(0, end), Number(line.slice(end + 1))]
    }),
  )
}

const say = (client: RawClient, topic: string, count: number) =>
  client.send(...Array.from({ length: count }, (_, i) => publishPacket(topic, `${i}`, i + 1)))

t.test('what clients did is counted', async (t) => {
  const server = await startTestServer(t, { openTopics: 't/#' })
  await server.addGroup('team', ['alice', 'bob'])
  const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' })
  const bob = await connectRaw(t, server, { user: 'bob', id: 'tablet', webSocket: true })
  const stranger = await openRaw(t, server)
  bob.send(subscribePacket('g/team/msg', 1))
  await bob.wait('suback')
  bob.send(subscribePacket('t/home', 2))
  await bob.wait('suback', 2)
  say(alice, 'g/team/msg', 10)
  await alice.wait('puback', 10)
  say(alice, 'g/nowhere/msg', 2)
  say(alice, 't/home', 3)
  await alice.wait('puback', 15)
  await bob.wait('publish', 13)
  const password = 'no-token'
  await t.rejects(connectDevice(t, server, { user: 'mallory', id: 'x' }, { password }))
  const fool = await openRaw(t, server)
  fool.send(Buffer.from([0xc0, 0]))
  await fool.closed()

  const metrics = await scrape(server)
  const expected = {
    'parley_connections{transport="tcp",state="open"}': 1,
    'parley_connections{transport="websocket",state="open"}': 1,
    'parley_connections{transport="tcp",state="awaitingConnect"}': 1,
    parley_connects_accepted_total: 2,
    'parley_connects_refused_total{reason="badCredentials"}': 1,
    'parley_packets_received_total{type="connect"}': 3,
    'parley_packets_received_total{type="publish"}': 15,
    'parley_packets_received_total{type="puback"}': 13,
    'parley_packets_received_total{type="subscribe"}': 2,
    'parley_messages_received_total{lane="chat"}': 12,
    'parley_messages_received_total{lane="plain"}': 3,
    'parley_messages_delivered_total{lane="chat"}': 10,
    'parley_messages_delivered_total{lane="plain"}': 3,
    'parley_publishes_refused_total{code="not-a-member"}': 2,
    'parley_appends_total{outcome="appended"}': 10,
    'parley_appends_total{outcome="duplicate"}': 0,
    'parley_appends_total{outcome="failed"}': 0,
    parley_append_batch_messages_sum: 10,
    parley_publish_seconds_count: 1,
    'parley_publish_seconds_bucket{le="+Inf"}': 1,
    parley_append_queue_messages: 0,
    parley_append_queue_bytes: 0,
    'parley_sessions{state="live"}': 2,
    'parley_sessions{state="windowFull"}': 0,
    parley_users_connected: 2,
    parley_conversations_open: 1,
    parley_plain_clients: 2,
    parley_store_working: 1,
  }
  const names = Object.keys(expected)
  t.same(Object.fromEntries(names.map((name) => [name, metrics.get(name)])), expected)
  const errors = [...metrics].filter(([name]) => name.startsWith('parley_protocol_errors_total'))
  t.equal(errors.length, 1, 'what came before CONNECT')
  const commits = metrics.get('parley_append_commit_seconds_count') ?? 0
  t.equal(metrics.get('parley_append_batch_messages_count'), commits)
  t.ok(commits >= 1 && commits <= 10, `${commits} commits`)
  stranger.stream.destroy()
})

t.test('bytes are those of the packets', async (t) => {
  const server = await startTestServer(t)
  const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' })
  const before = await scrape(server)
  for (let i = 0; i < 10; i++) alice.send({ cmd: 'pingreq' })
  await alice.wait('pingresp', 10)
  const after = await scrape(server)
  for (const name of ['parley_bytes_received_total', 'parley_bytes_sent_total']) {
    t.equal((after.get(name) ?? 0) - (before.get(name) ?? 0), 20, name)
  }
})

t.test('a device that does not acknowledge is seen to wait', async (t) => {
  const server = await startTestServer(t, { windowEntriesMax: '16' })
  await server.addGroup('team', ['alice', 'bob'])
  const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' })
  const bob = await connectRaw(t, server, { user: 'bob', id: 'phone', acknowledge: false })
  bob.send(subscribePacket('g/team/msg', 1))
  await bob.wait('suback')
  say(alice, 'g/team/msg', 20)
  await bob.wait('publish', 16)
  await alice.wait('puback', 20)
  const states = async () => {
    const metrics = await scrape(server)
    return ['live', 'windowFull'].map((state) => metrics.get(`parley_sessions{state="${state}"}`))
  }
  t.same(await states(), [1, 1])
  bob.stream.destroy()
  let left = await states()
  await until('bob is gone', async () => {
    left = await states()
    return left[1] === 0
  }).catch(() => {})
  t.same(left, [1, 0])
})

t.test('who found no room is counted, also by a process that is only a broker', async (t) => {
  const server = await startTestServer(t, { roles: 'broker', connectionsMax: '1' })
  await openRaw(t, server)
  const late = await openRaw(t, server)
  await late.closed()
  const metrics = await scrape(server)
  t.equal(metrics.get('parley_connections_turned_away_total{reason="full"}'), 1)
  t.equal(metrics.get('parley_connections{transport="tcp",state="awaitingConnect"}'), 1)
})

for (const roles of ['all', 'broker']) {
  t.test(`who is far needs the administrator's token, when roles are ${roles}`, async (t) => {
    const { httpUrl } = await startTestServer(t, { roles, metricsAccess: 'admin' })
    const statusFor = async (headers: Record<string, string>) => {
      const response = await fetch(`${httpUrl}/metrics`, {
        headers: { ...headers, connection: 'close' },
      })
      await response.text()
      return response.status
    }
    t.equal(await statusFor({}), 403)
    t.equal(await statusFor({ authorization: `Bearer ${adminToken}x` }), 403)
    t.equal(await statusFor({ authorization: `Bearer ${adminToken}` }), 200)
  })
}
