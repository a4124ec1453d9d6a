// The settings an operator may change: default, unit, range and meaning of each, in one place.
// The flags, the variables, docs/config.md and the `config` command all follow from this schema.

import type { Static } from 'typebox'
import { Type } from 'typebox'
import { count, files, flag, optionalPort, optionalText, secret, text } from './kinds.ts'
import type { Secret } from './secrets.ts'

const hour = 3_600_000
const mebibyte = 1_048_576

const roleNames = ['broker', 'api', 'jobs'] as const
const windowSizes: number[] = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384]

/** Every setting. `unit` names what a number counts; `expected` says what a value must be where the
 * schema does not; `secret` marks a value that is never shown and never taken from a flag, because
 * other users of the machine can see the command line; `variable` is the name in the environment
 * where that does not follow from the key. */
export const settingsSchema = Type.Object(
  {
    host: text('Address to listen on; 0.0.0.0 for all interfaces.', '127.0.0.1'),
    mqttPort: count('port', [0, 1883, 65535], 'Port for MQTT over TCP; 0 picks a free one.'),
    httpPort: count(
      'port',
      [0, 8080, 65535],
      'Port for the HTTP API and for MQTT over WebSocket; 0 picks a free one.',
    ),
    mqttsPort: optionalPort('MQTT over TLS'),
    httpsPort: optionalPort('the HTTP API and MQTT over WebSocket, over TLS'),
    tlsHost: optionalText('Address for mqttsPort and httpsPort, if it is not that of host.'),
    tlsCertificate: files(
      'Certificate files, PEM, each with its chain, separated by commas. A client gets the first ' +
        'one made for the name it asks for (subjectAltName, also *.example.com), or else the ' +
        'first of all. SIGHUP reads all files again.',
    ),
    tlsKey: files('Private keys of the certificates, PEM, in the same order.'),
    tlsMinVersion: Type.Enum(['TLSv1.2', 'TLSv1.3'], {
      default: 'TLSv1.2',
      description: 'Lowest version of TLS that is spoken.',
    }),
    tlsClientAuth: Type.Enum(['none', 'optional', 'required'], {
      default: 'none',
      description:
        'Whether clients over TLS show a certificate of tlsClientCa. One whose subject has ' +
        'O=user and CN=device stands for a token.',
    }),
    tlsClientCa: optionalText(
      'File with the certificates, PEM, that sign the certificates of clients.',
    ),
    tlsClientCrl: optionalText(
      'File with the revocation lists, PEM, of every certificate in tlsClientCa. One that is ' +
        'past its next update refuses all of them.',
    ),
    proxyProtocolFrom: Type.Array(Type.String(), {
      uniqueItems: true,
      default: [],
      expected: 'a list of addresses or networks, as 10.0.0.0/8',
      description:
        'Addresses of proxies, separated by commas. All connections from there, and no others, ' +
        'begin with a header of the PROXY protocol, version 2, that says who the client is.',
    }),
    data: text('Folder for the store and the keys; it is made if it does not exist.', './data'),
    mongodbUrl: secret(
      'URL of the MongoDB that keeps everything, with the name of the database: ' +
        'mongodb://host/parley. With redisUrl: this process is one of a cluster.',
      { variable: 'MONGODB_URL' },
    ),
    redisUrl: secret(
      'URL of the Redis between the processes of a cluster: redis://host:6379, rediss://…, or ' +
        'redis+sentinel://host:26379,host:26379/name. With mongodbUrl.',
      { variable: 'REDIS_URL' },
    ),
    busRedisUrls: secret(
      'URLs, separated by commas, of several Redis that share what the brokers tell each other; ' +
        'the same for all brokers. redisUrl alone if it is not given.',
      { variable: 'BUS_REDIS_URLS' },
    ),
    roles: Type.Array(Type.Enum([...roleNames]), {
      minItems: 1,
      uniqueItems: true,
      default: [...roleNames],
      description:
        'What this process does, separated by commas: broker, api, jobs (what is done later, or ' +
        'again and again); or all.',
    }),
    workers: Type.String({
      pattern: '^(auto|[1-9][0-9]{0,2})$',
      default: '1',
      expected: 'a number from 1 to 999, or auto',
      description:
        'How many processes serve on these ports, in a cluster; auto: one for each core. Limits ' +
        'on connections are for all of them together, other limits for each.',
    }),
    logLevel: Type.Enum(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'], {
      default: 'info',
      description: 'Least severity of the lines written to standard error.',
    }),
    issuer: text('Issuer (`iss`) of the tokens made and accepted.', 'parley'),
    audience: text('Audience (`aud`) of the tokens made and accepted.', 'parley'),
    tokenTtlSeconds: count(
      'seconds',
      [1, 86400, 31_536_000],
      'How long a token is valid, if its request does not say.',
    ),
    registration: Type.Enum(['open', 'closed'], {
      default: 'open',
      description: 'Whether anyone may register, or only the administrator makes users.',
    }),
    adminToken: secret(
      'Token of the administration API; if not given, one is kept in the data folder, or in the ' +
        'store of a cluster.',
      { minLength: 16 },
    ),
    metricsAccess: Type.Enum(['loopback', 'admin', 'open'], {
      default: 'loopback',
      description:
        'Who may read /metrics. loopback: who is on this machine and no proxy, others with the ' +
        'token of the administration API; admin: only with that token; open: anyone.',
    }),
    openTopics: Type.Array(Type.String(), {
      uniqueItems: true,
      default: [],
      expected: 'a list of filters below t/, or #',
      description:
        'Plain topics that every user may use, separated by commas, as t/#. Or, ' +
        'with anonymous, #: everything.',
    }),
    anonymous: flag(
      'Trusted mode, for load tests and conformance suites: no tokens, any client id, any topic, ' +
        'no chat; only with openTopics #, on a private address.',
    ),
    anonymousAnywhere: flag('Allows anonymous on an address that strangers may reach.'),
    plainQueueMax: count(
      'messages',
      [1, 1000, 30_000],
      'Most messages of plain topics that wait for one device; further ones are lost to it.',
    ),
    plainQueueBytesMax: count(
      'bytes',
      [1024, mebibyte, 1024 * mebibyte],
      'Most bytes of messages of plain topics that wait for one device, 128 for each included.',
    ),
    plainQueuesBytesMax: count(
      'bytes',
      [65536, 256 * mebibyte, 65_536 * mebibyte],
      'The same for all devices together; what several wait for counts for each.',
    ),
    plainRetainedMax: count(
      'messages',
      [0, 100_000, 10_000_000],
      'Most retained messages of plain topics; further ones are delivered, and not retained.',
    ),
    plainRetainedBytesMax: count(
      'bytes',
      [0, 256 * mebibyte, 65_536 * mebibyte],
      'Most bytes of retained messages: payloads, topics, and 256 for each level of these.',
    ),
    payloadBytesMax: count('bytes', [1, 65536, 16 * mebibyte], 'Largest payload of a message.'),
    packetBytesMax: count(
      'bytes',
      [4096, 262_144, 32 * mebibyte],
      'Largest MQTT packet; at least payloadBytesMax + 2048.',
    ),
    preConnectBytesMax: count(
      'bytes',
      [1024, 16384, mebibyte],
      'Most bytes taken from a connection before its CONNECT is accepted.',
    ),
    connectionsMax: count('connections', [1, 10_000, 1_000_000], 'Most connections at a time.'),
    connectionsPerAddressMax: count(
      'connections',
      [1, 1000, 1_000_000],
      'Most connections of one address; of IPv6, of one /64. Many phones may share one.',
    ),
    connectsPerAddressPerSecond: count(
      'connections per second',
      [1, 50, 1_000_000],
      'How many new connections one address may make each second, once its burst is used up.',
    ),
    connectsPerAddressBurst: count(
      'connections',
      [1, 500, 1_000_000],
      'How many new connections one address may make at once.',
    ),
    connectsPerSecond: count(
      'connections per second',
      [1, 1000, 1_000_000],
      'How many new connections all addresses may make each second, once the burst is used up.',
    ),
    connectsBurst: count(
      'connections',
      [1, 5000, 1_000_000],
      'How many new connections all addresses may make at once.',
    ),
    limitsExempt: Type.Array(Type.String(), {
      uniqueItems: true,
      default: ['127.0.0.0/8', '::1'],
      expected: 'a list of addresses or networks, as 10.0.0.0/8, or none',
      description:
        'Networks, separated by commas, to which of the limits on connections only ' +
        'connectionsMax applies.',
    }),
    allowedOrigins: Type.Array(Type.String(), {
      uniqueItems: true,
      default: [],
      expected: 'a list of origins, as https://chat.example, or none',
      description:
        'Origins whose pages may connect over WebSocket, separated by commas; none: all may. ' +
        'Clients that are not in a browser send no origin, and may.',
    }),
    webSocketPingMs: count(
      'ms',
      [0, 30_000, hour],
      'After how long a silence a WebSocket is pinged; it is cut when nothing comes for as long ' +
        'again. 0: never.',
    ),
    connectTimeoutMs: count(
      'ms',
      [100, 10_000, hour],
      'How long a new connection may take until its CONNECT is complete.',
    ),
    keepAliveSecondsMax: count(
      'seconds',
      [0, 3600, 65535],
      'Longest keep-alive of an MQTT 5 client, which is told of it; 0: any, also none.',
    ),
    publishesInFlightMax: count(
      'messages',
      [1, 128, 65535],
      'Most unanswered publishes of one connection; above it nothing is read from it.',
    ),
    topicAliasMax: count(
      'topics',
      [0, 16, 65535],
      'Most topic aliases of one MQTT 5 connection, in each direction; 0: none.',
    ),
    publishesPerSecond: count(
      'messages per second',
      [0, 0, 1_000_000],
      'How many messages one connection may publish each second, once its burst is used up; ' +
        'above it nothing is read from it for a while. 0: any number.',
    ),
    publishesBurst: count(
      'messages',
      [1, 100, 1_000_000],
      'How many messages one connection may publish at once, with publishesPerSecond.',
    ),
    appendQueueMax: count(
      'messages',
      [1, 20_000, 10_000_000],
      'Most messages that wait for the store; at least appendBatchMax.',
    ),
    appendQueueBytesMax: count(
      'bytes',
      [65536, 64 * mebibyte, 4096 * mebibyte],
      'Most bytes of messages that wait for the store; at least payloadBytesMax.',
    ),
    appendBatchMax: count('messages', [1, 500, 10_000], 'Most messages of one commit.'),
    appendGatherMs: count(
      'ms',
      [0, 10, 100],
      'Within what time a message should be stored while others keep coming: a commit waits for ' +
        'them until then; 0: not at all.',
    ),
    appendWaitMs: count(
      'ms',
      [100, 10_000, hour],
      'How long a publish waits for the store before its connection is closed.',
    ),
    fillAfterMs: count(
      'ms',
      [100, 3000, hour],
      'In a cluster: after how long a position of a conversation that nobody has written is ' +
        'given up, so that readers go on. Any value is safe.',
    ),
    windowEntriesMax: Type.Enum(windowSizes, {
      default: 256,
      unit: 'messages',
      description: 'Most messages on their way to one device without its acknowledgement.',
    }),
    windowBytesMax: count(
      'bytes',
      [131_072, 262_144, 1024 * mebibyte],
      'Most unsent bytes held for one device; at least one message is always sent.',
    ),
    stalledTimeoutMs: count(
      'ms',
      [100, 30_000, hour],
      'A connection that does not take what was written to it in one turn for so long is cut.',
    ),
    cursorFlushMs: count('ms', [10, 1000, 60_000], 'How often cursors are written to the store.'),
    sessionExpirySeconds: count(
      'seconds',
      [60, 2_592_000, 315_360_000],
      'How long a durable device may stay away before its subscriptions and cursors go.',
    ),
    devicesPerUserMax: count(
      'devices',
      [1, 100, 1_000_000],
      'Most durable devices of one user; a further one is refused until another has gone.',
    ),
    recentEntriesMax: count(
      'messages',
      [0, 0, 1000],
      'How many of the newest messages of each conversation a cluster keeps in Redis as well, ' +
        'for an hour at most, so that devices that come back read less from MongoDB; 0: none.',
    ),
    receiptIntervalMs: count(
      'ms',
      [10, 250, 60_000],
      'Shortest time between two receipts of one member, or two unread events, per conversation.',
    ),
    receiptMembersMax: count(
      'members',
      [0, 32, 1000],
      'Most members of a group in which receipts and typing are announced; above it receipts are ' +
        'counts, on request.',
    ),
    drainTimeoutMs: count(
      'ms',
      [0, 5000, hour],
      'When stopping: within what time all clients are sent away, their publishes answered.',
    ),
    drainClientsPerSecond: count(
      'clients per second',
      [0, 500, 1_000_000],
      'When stopping: how many clients are sent away each second, in a random order, so that ' +
        'they come to the other brokers one after the other; more if drainTimeoutMs is too short ' +
        'for that. 0: all at once.',
    ),
    drainDelayMs: count(
      'ms',
      [0, 0, hour],
      'When stopping: how long clients may still come in while /readyz says 503 already, for ' +
        'load balancers that take their time to see that.',
    ),
  },
  { additionalProperties: false },
)

type Plain = Static<typeof settingsSchema>

/** The settings that are secrets. */
type SecretKey = 'adminToken' | 'mongodbUrl' | 'redisUrl' | 'busRedisUrls'

/** The resolved settings, frozen. */
export type Settings = {
  readonly [Key in keyof Plain as Key extends SecretKey
    ? never
    : Key]: Plain[Key] extends (infer Item)[] ? readonly Item[] : Plain[Key]
} & { readonly [Key in SecretKey]: Secret | undefined }

export type SettingKey = keyof Settings
