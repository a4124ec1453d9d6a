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
  reconnectMinutes: input(15, 'minutes', 'assumed', 'Mean time between two connects of a device.'),
  retentionDays: input(365, 'days', 'assumed', 'How long messages are kept.'),

  publishMicros: input(
    120,
    'CPU µs',
    'assumed',
    'Broker, per message: read, place, store at MongoDB, PUBACK, tell. 61 to 70 were measured ' +
      'with its delivery, in bulk, on a busy machine (2026-11-23); 200 to 300 in a trickle.',
  ),
  deliveryMicros: input(
    3,
    'CPU µs',
    'measured',
    'Broker, per delivery in a group (benchmarks.md).',
  ),
  hearMicros: input(
    20,
    'CPU µs',
    'assumed',
    'Broker, per message heard from another one. 9 were measured, by itself, in bulk.',
  ),
  connectMicros: input(
    952,
    'CPU µs',
    'measured',
    'Broker, per connect with a token (benchmarks.md).',
  ),
  sessionKibibytes: input(8, 'KiB', 'measured', 'Broker, per idle session (benchmarks.md).'),
  brokerLoadMax: input(0.6, 'of a core', 'assumed', 'What a broker process may use at the peak.'),
  brokerConnectionsMax: input(
    50_000,
    'connections',
    'assumed',
    'Connections of one broker process: what the others must take in when it stops.',
  ),
  connectionsPerHaproxy: input(
    250_000,
    'connections',
    'public',
    'Of one HAProxy of 4 cores and 16 GiB, TLS included: some 34 KiB each, by its manual.',
  ),
  pubSubPerSecond: input(
    650_000,
    'messages/s',
    'public',
    'In and out of one Redis that does pub/sub and nothing else.',
  ),
  redisCommandsPerSecond: input(
    100_000,
    'commands/s',
    'public',
    'One Redis, scripts of a few commands, not pipelined (redis-benchmark).',
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
  storedBytes: input(600, 'bytes', 'assumed', 'A message of 200 bytes in MongoDB, with indexes.'),
  shardTebibytes: input(2, 'TiB', 'assumed', 'Data of one shard.'),
} as const satisfies Readonly<Record<string, Input>>

export type Inputs = { readonly [Name in keyof typeof inputs]: number }

/** The figures alone. */
export const figures: Inputs = Object.fromEntries(
  Object.entries(inputs).map(([name, { value }]) => [name, value]),
) as Inputs
