// The arithmetic of docs/scaling.md.

import t from 'tap'
import { figures } from '../../../bench/model/inputs.ts'
import { sizeFor } from '../../../bench/model/sizing.ts'

t.test('loads follow from people', async (t) => {
  const { connections, messages, connects } = sizeFor(1_000_000, figures)
  t.equal(connections, 1_000_000 * figures.onlineShare * figures.devicesPerUser)
  const mean = (1_000_000 * figures.messagesPerUserPerDay) / 86_400
  t.ok(Math.abs(messages - mean * figures.peakFactor) < 1e-6)
  t.equal(connects, connections / (figures.reconnectMinutes * 60))
})

t.test('a message reaches its members, and the devices of who sent it', async (t) => {
  const given = { ...figures, devicesPerUser: 1, onlineShare: 1, presentPeers: 1 }
  const direct = sizeFor(1000, { ...given, groupShare: 0 })
  t.equal(direct.deliveries, direct.messages)
  const group = sizeFor(1000, { ...given, groupShare: 1, groupMembers: 50 })
  t.equal(group.deliveries, group.messages * 50)
})

t.test('brokers are enough for what they bring upon each other', async (t) => {
  const given = { ...figures, publishMicros: 500, hearMicros: 100 }
  const sizing = sizeFor(10_000_000, { ...given, brokerConnectionsMax: 1_000_000 })
  t.equal(sizing.brokersBy, 'CPU')
  const needed =
    sizing.messages * (500 + sizing.hearers * 100) +
    sizing.deliveries * given.deliveryMicros +
    sizing.connects * given.connectMicros
  const budget = given.brokerLoadMax * 1e6
  t.ok((sizing.brokers - 1) * budget >= needed * 0.99, 'with one away')
  t.ok((sizing.brokers - 2) * budget < needed, 'and no more than that')
})

t.test('shards are enough for writes and for data', async (t) => {
  const quick = sizeFor(1_000_000, { ...figures, retentionDays: 1 })
  t.equal(quick.shardsBy, 'data')
  const busy = sizeFor(10_000_000, { ...figures, retentionDays: 1 })
  t.equal(busy.shardsBy, 'writes')
  const writes = busy.messages + busy.deliveries * figures.cursorWrites
  t.equal(busy.shards, Math.ceil(writes / (figures.insertsPerSecond * figures.shardLoadMax)))
})

t.test('more users never need less', async (t) => {
  let last = sizeFor(1000, figures)
  for (let users = 2000; users < 1e9; users *= 2) {
    const next = sizeFor(users, figures)
    for (const part of ['haproxies', 'brokers', 'busRedis', 'sequencerRedis', 'shards'] as const) {
      t.ok(next[part] >= last[part], `${part} for ${users}`)
    }
    last = next
  }
})
