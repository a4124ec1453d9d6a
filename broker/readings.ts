// What a broker tells who scrapes: its counts, and what its connections are doing now.

import { reasonCode } from '../protocol/reasons.ts'
import type { Readings, Sample } from '../services/metrics/catalogue.ts'
import type { Connection } from './connection.ts'
import type { Counts } from './counts.ts'
import { countUp } from './counts.ts'
import { packetType } from './edge/packets.ts'

interface ReadingsParts {
  readonly counts: Counts
  readonly connections: Iterable<Connection>
  readonly sentBytes: number
  readonly plainClients: number
}

const reasonNames: ReadonlyMap<number, string> = new Map(
  Object.entries(reasonCode).map(([name, code]) => [code, name]),
)

export function readBroker({ counts, connections, sentBytes, plainClients }: ReadingsParts) {
  return {
    ...readConnections(connections),
    parley_connections_turned_away_total: samplesOf('reason', counts.turnedAway, String),
    parley_connects_accepted_total: counts.connectsAccepted,
    parley_connects_refused_total: samplesOf('reason', counts.connectsRefused, nameOf),
    parley_protocol_errors_total: samplesOf('reason', counts.protocolErrors, nameOf),
    parley_packets_received_total: Object.entries(packetType).map(([type, number]) => ({
      labels: { type },
      value: counts.packetsReceived[number] ?? 0,
    })),
    parley_bytes_received_total: counts.bytesReceived,
    parley_bytes_sent_total: sentBytes,
    parley_messages_received_total: lanes(counts.chatReceived, counts.plainReceived),
    parley_messages_delivered_total: lanes(counts.chatDelivered, counts.plainDelivered),
    parley_publishes_refused_total: samplesOf('code', counts.publishesRefused, String),
    parley_appends_total: samplesOf('outcome', Object.entries(counts.appends), String),
    parley_publish_seconds: counts.publishMs,
    parley_plain_clients: plainClients,
  } satisfies Partial<Readings>
}

/** Looks at all connections. */
function readConnections(connections: Iterable<Connection>) {
  const states = new Map<string, Map<string, number>>()
  const holds = new Map<string, number>()
  for (const connection of connections) {
    const { transport, state } = connection
    const ofTransport = states.get(transport) ?? new Map<string, number>()
    states.set(transport, ofTransport)
    countUp(ofTransport, state)
    for (const reason of connection.holds()) countUp(holds, reason)
  }
  return {
    parley_connections: [...states].flatMap(([transport, ofTransport]) =>
      [...ofTransport].map(([state, value]) => ({ labels: { transport, state }, value })),
    ),
    parley_connections_held: samplesOf('reason', holds, String),
  }
}

const nameOf = (code: number) => reasonNames.get(code) ?? String(code)

const lanes = (chat: number, plain: number) => [
  { labels: { lane: 'chat' }, value: chat },
  { labels: { lane: 'plain' }, value: plain },
]

function samplesOf<Label extends string, Key>(
  label: Label,
  counts: Iterable<readonly [Key, number]>,
  nameOf: (key: Key) => string,
): readonly Sample<Label>[] {
  return [...counts].map(([key, value]) => {
    return { labels: { [label]: nameOf(key) } as Record<Label, string>, value }
  })
}
