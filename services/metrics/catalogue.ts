// Everything that is measured: name, kind, labels, meaning. docs/metrics.md is printed from it, and
// what is served is described by it. The values stay with who has them, and are read at a scrape.

import type { Histogram } from './histogram.ts'

export interface MetricDefinition {
  /** `counter`: only grows, from 0 at the start of the process. `gauge`: how it is now.
   * `histogram`: counted by size. */
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  readonly help: string
  /** What a histogram observes, in parts of the unit it is served in: 1000 for ms. */
  readonly parts?: number
  /** What several processes on a machine (`--workers`) say together; the sum if absent. */
  readonly ofSeveral?: 'sum' | 'min'
}

export const metricCatalogue = {
  parley_connections: {
    kind: 'gauge',
    labels: ['transport', 'state'],
    help: 'Connections, by how they came and how far they are.',
  },
  parley_connections_held: {
    kind: 'gauge',
    labels: ['reason'],
    help: 'Connections that are not read now, by reason; several may hold one.',
  },
  parley_connections_turned_away_total: {
    kind: 'counter',
    labels: ['reason'],
    help: 'Clients not let in, by reason; crowded and insistent: because of their own address.',
  },
  parley_connects_accepted_total: {
    kind: 'counter',
    labels: [],
    help: 'CONNECTs that were accepted.',
  },
  parley_connects_refused_total: {
    kind: 'counter',
    labels: ['reason'],
    help: 'CONNECTs that were answered with a refusal, by its reason.',
  },
  parley_protocol_errors_total: {
    kind: 'counter',
    labels: ['reason'],
    help: 'Connections that were closed because a packet broke MQTT or a bound, by reason.',
  },
  parley_packets_received_total: {
    kind: 'counter',
    labels: ['type'],
    help: 'MQTT packets that were read, by type.',
  },
  parley_bytes_received_total: {
    kind: 'counter',
    labels: [],
    help: 'Bytes of MQTT that came from clients, without those of WebSocket frames.',
  },
  parley_bytes_sent_total: {
    kind: 'counter',
    labels: [],
    help: 'Bytes of MQTT that were written to clients, without those of WebSocket frames.',
  },
  parley_messages_received_total: {
    kind: 'counter',
    labels: ['lane'],
    help: 'Messages that clients published, refused ones too: chat, or plain topics.',
  },
  parley_messages_delivered_total: {
    kind: 'counter',
    labels: ['lane'],
    help: 'Messages that were written to clients, repeated ones too: chat, or plain topics.',
  },
  parley_publishes_refused_total: {
    kind: 'counter',
    labels: ['code'],
    help: 'Publishes that were refused, by error code.',
  },
  parley_sessions: {
    kind: 'gauge',
    labels: ['state'],
    help: 'Sessions of connected devices; windowFull waits for the device, catchingUp for the log.',
  },
  parley_users_connected: {
    kind: 'gauge',
    labels: [],
    help: 'Users with a connected device.',
  },
  parley_conversations_open: {
    kind: 'gauge',
    labels: [],
    help: 'Conversations with a connected member.',
  },
  parley_plain_clients: {
    kind: 'gauge',
    labels: [],
    help: 'Connections that use plain topics.',
  },
  parley_append_queue_messages: {
    kind: 'gauge',
    labels: [],
    help: 'Messages that wait for the commit that follows the one under way.',
  },
  parley_append_queue_bytes: {
    kind: 'gauge',
    labels: [],
    help: 'Bytes of the messages that wait for a commit, and of those in the one under way.',
  },
  parley_append_batch_messages: {
    kind: 'histogram',
    labels: [],
    help: 'Messages of one commit.',
  },
  parley_append_commit_seconds: {
    kind: 'histogram',
    labels: [],
    help: 'How long a commit of messages took, attempts that failed included; to a millisecond.',
    parts: 1000,
  },
  parley_publish_seconds: {
    kind: 'histogram',
    labels: [],
    help: 'From giving a message to the log to its PUBACK, of one stored in 16; to 1 ms.',
    parts: 1000,
  },
  parley_appends_total: {
    kind: 'counter',
    labels: ['outcome'],
    help: 'What became of messages: appended, duplicate (stored before), failed (not answered).',
  },
  parley_store_working: {
    kind: 'gauge',
    labels: [],
    help: '1 while messages can be stored, else 0.',
    ofSeveral: 'min',
  },
  parley_workers: {
    kind: 'gauge',
    labels: [],
    help: 'Processes that the values are the sum of: 1 without --workers.',
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>

type MetricName = keyof typeof metricCatalogue

/** A value with its labels. */
export interface Sample<Label extends string = string> {
  readonly labels: Readonly<Record<Label, string>>
  readonly value: number
}

type ReadingOf<Definition extends MetricDefinition> = Definition['kind'] extends 'histogram'
  ? Histogram
  : Definition['labels'] extends readonly []
    ? number
    : readonly Sample<Definition['labels'][number]>[]

/** The values of all metrics at a moment. */
export type Readings = {
  readonly [Name in MetricName]: ReadingOf<(typeof metricCatalogue)[Name]>
}
