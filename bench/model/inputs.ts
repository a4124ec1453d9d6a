// What the sizing of docs/scaling.md assumes, all in one place: people, costs of our own that were
// measured or are still to be, and what others say of the parts. Change a figure here, and print
// the document again (`node build/scripts/print-docs.js`).

/** Where a figure comes from. `measured`: by us. `public`: said by others. `assumed`: by nobody; to
 * be measured on one's own machines first. */
type Origin = 'measured' | 'public' | 'assumed'

export interface Input {
  readonly value: number
  readonly unit: string
  readonly origin: Origin
  readonly meaning: string
}

const input = (value: number, unit: string, origin: Origin, meaning: string): Input => ({
  ...{ value, unit, origin, meaning },
})

export const inputs = {
  onlineShare: input(0.25, 'of users', 'assumed', 'Users with a connected device, at the peak.'),
  devicesPerUser: input(1.3, 'devices', 'assumed', 'Connected devices of a user who is online.'),
  messagesPerUserPerDay: input(40, 'messages', 'assumed', 'Messages a user sends in a day.'),
  peakFactor: input(3, '', 'assumed', 'Messages a second at the peak, over those of the mean day.'),
  groupShare: input(0.3, 'of messages', 'assumed', 'Messages that are sent to a group.'),
  groupMembers: input(40, 'members', 'assumed', 'Members of the group of a message, on average.'),
  presentPeers: input(
    0.5,
    'of peers',
    'assumed',
    'Peers of a direct message who are online: who talks is there.',
  ),
  conversationsPerUser: input(30, 'conversations', 'assumed', 'Direct ones and groups.'),
  activePerUserPerDay: input(
    3,
    'conversations',
    'assumed',
    'Conversations with a message in a day, for each user: 8 of theirs, shared by 3 on average.',
  ),
  readsPerConnect: input(
    3,
    'reads',
    'assumed',
    'Conversations with something new for who connects: each is a read of the log.',
  ),
  reconnectMinutes: input(15, 'minutes', 'assumed', 'Mean time between two connects of a device.'),
  retentionDays: input(365, 'days', 'assumed', 'How long messages are kept.'),

  publishMicros: input(
    70,
    'CPU µs',
    'measured',
    'Broker, per message, its telling included. Preliminary: 2026-11-23, a busy machine, `pairs` ' +
      'with MongoDB and Redis (embedded: 24-30). At a trickle it will be more; not measured.',
  ),
  deliveryMicros: input(
    3,
    'CPU µs',
    'measured',
    'Broker, per delivery in a group (benchmarks.md).',
  ),
  hearMicros: input(
    9,
    'CPU µs',
    'measured',
    'Broker, per message heard from another one (ARCHITECTURE.md).',
  ),
  connectMicros: input(
    952,
    'CPU µs',
    'measured',
    'Broker, per connect with a token (benchmarks.md).',
  ),
  openMicros: input(
    31,
    'CPU µs',
    'measured',
    'Broker, per conversation of who connects: 20 groups each or none. Embedded, 2026-11-23, a ' +
      'busy machine, one run.',
  ),
  catchUpMicros: input(
    400,
    'CPU µs',
    'measured',
    'Broker, per read of the log at MongoDB (ARCHITECTURE.md, load 17-23; 14-37 from Redis).',
  ),
  sessionKibibytes: input(8, 'KiB', 'measured', 'Broker, per idle session (benchmarks.md).'),
  conversationKibibytes: input(
    0.95,
    'KiB',
    'measured',
    'Broker, per conversation of a session: 3,000 sessions, 20 groups each or none. Embedded, ' +
      '2026-11-23, two runs.',
  ),
  socketKibibytes: input(
    3.9,
    'KiB',
    'measured',
    'Kernel, per idle socket: growth of Slab by 4,000 connections, 2026-11-23.',
  ),
  processMebibytes: input(132, 'MiB', 'measured', 'Broker without clients (benchmarks.md).'),
  brokerLoadMax: input(0.6, 'of a core', 'assumed', 'What a broker process may use at the peak.'),
  brokerConnectionsMax: input(
    50_000,
    'connections',
    'assumed',
    'Connections of one broker process: what the others must take in when it stops.',
  ),
  connectionsPerHaproxy: input(
    128_000,
    'connections',
    'public',
    'Of one HAProxy of 16 GB, with TLS: 8,000 for each GB (its introduction, 3.6).',
  ),
  pubSubPerSecond: input(
    650_000,
    'messages/s',
    'assumed',
    'In and out of one Redis that does pub/sub and nothing else. Often said; no run found.',
  ),
  listenMicros: input(
    4,
    'CPU µs',
    'measured',
    'Redis, per channel that a broker takes up and gives up again: 2.4 and 1.5, 30 a command, ' +
      '2026-11-23, one run.',
  ),
  channelBytes: input(
    235,
    'bytes',
    'measured',
    'Redis, per channel, of 200,000 (144 for each further broker). 2026-11-23.',
  ),
  counterBytes: input(
    196,
    'bytes',
    'measured',
    'Redis for positions, per conversation of the last day, of 200,000. 2026-11-23.',
  ),
  redisGigabytes: input(16, 'GB', 'assumed', 'Of one Redis: more takes long to save and to load.'),
  redisCommandsPerSecond: input(
    100_000,
    'commands/s',
    'public',
    'One Redis, scripts of a few commands, not pipelined: 141,000 simple ones (redis-benchmark).',
  ),
  redisLoadMax: input(0.5, 'of that', 'assumed', 'What a Redis may carry at the peak.'),
  insertsPerSecond: input(
    10_000,
    'writes/s',
    'assumed',
    'One shard of three members, majority and journal, in bulk. To be measured on the disks ' +
      'it is to have.',
  ),
  shardLoadMax: input(0.5, 'of that', 'assumed', 'What a shard may carry at the peak.'),
  cursorWrites: input(
    0.3,
    'writes',
    'assumed',
    'Cursors and receipts written per delivery: a device’s acknowledgements of a second are one.',
  ),
  storedBytes: input(
    494,
    'bytes',
    'measured',
    'A message of 103 bytes of words in MongoDB, compressed: 190 and 305 of indexes (its id is a ' +
      'UUID). 300,000 of them, 2026-11-23.',
  ),
  shardTebibytes: input(2, 'TiB', 'assumed', 'Data of one shard.'),
} as const satisfies Readonly<Record<string, Input>>

export type Inputs = { readonly [Name in keyof typeof inputs]: number }

/** The figures alone. */
export const figures: Inputs = Object.fromEntries(
  Object.entries(inputs).map(([name, { value }]) => [name, value]),
) as Inputs
