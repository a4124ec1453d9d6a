// The arithmetic of docs/scaling.md.

import t from 'tap'
import { figures } from '../../../bench/model/inputs.ts'
import { connectMicrosOf, sizeFor } from '../../../bench/model/sizing.ts'

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
    sizing.connects * connectMicrosOf(given)
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

t.test('who connects costs its conversations and what it reads', async (t) => {
  const given = {
    ...{ ...figures, connectMicros: 1000, conversationsPerUser: 10, openMicros: 20 },
    ...{ readsPerConnect: 2, catchUpMicros: 300 },
  }
  t.equal(connectMicrosOf(given), 1800)
  // A device connects every 10 minutes: 600 devices make one connect a second.
  const devices = { onlineShare: 1, devicesPerUser: 1, reconnectMinutes: 10 }
  t.ok(Math.abs(sizeFor(600_000, { ...given, ...devices }).connectCores - 1.8) < 1e-9)
})

t.test('memory follows from connections, conversations and processes', async (t) => {
  const given = {
    ...{ ...figures, onlineShare: 1, devicesPerUser: 1, conversationsPerUser: 10 },
    ...{ sessionKibibytes: 6, conversationKibibytes: 1, socketKibibytes: 4, processMebibytes: 100 },
  }
  const sizing = sizeFor(1_000_000, given)
  const expected = (1_000_000 * 20 * 1024 + sizing.brokers * 100 * 1024 * 1024) / 1e9
  t.ok(Math.abs(sizing.brokerGigabytes - expected) < 1e-9)
})

t.test('there are as many Redis as their work or their memory wants', async (t) => {
  const people = { onlineShare: 1, devicesPerUser: 1, conversationsPerUser: 10 }
  const given = { ...figures, ...people, messagesPerUserPerDay: 1, activePerUserPerDay: 1 }
  // 10 million channels of 200 bytes, 1 million counters of 5,000.
  const sizes = { channelBytes: 200, counterBytes: 5000, redisGigabytes: 1, reconnectMinutes: 1e6 }
  const full = sizeFor(1_000_000, { ...given, ...sizes })
  t.match(full, { channelGigabytes: 2, busRedis: 2, counterGigabytes: 5, sequencerRedis: 5 })
  // 1,000 connects a second take up 10 channels each, for 100 µs: one core, of which half is used.
  const busy = { listenMicros: 100, redisLoadMax: 0.5, redisGigabytes: 1000 }
  const hurried = { ...given, ...busy, reconnectMinutes: 1000 / 60 }
  t.equal(sizeFor(1_000_000, { ...hurried, messagesPerUserPerDay: 0 }).busRedis, 2)
})
