// The composition root: opens the platform and connects services, doors and broker to each other.
// Only it, and the platforms (embedded.ts, cluster.ts), pick plugins.

import { randomBytes } from 'node:crypto'
import type { Server as HttpServer } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Logger as PinoLogger } from 'pino'
import { pino } from 'pino'
import type { Broker } from '../broker/broker.ts'
import { makeBroker } from '../broker/broker.ts'
import type { Identity } from '../broker/context.ts'
import type { Proxies } from '../broker/doors/proxies.ts'
import { makeProxies } from '../broker/doors/proxies.ts'
import type { Tls } from '../broker/doors/tls.ts'
import { makeTls } from '../broker/doors/tls.ts'
import type { Settings } from '../config/schema.ts'
import { readCertificates } from '../plugins/certificate-files/certificate-files.ts'
import { makeExposition } from '../plugins/metrics/exposition.ts'
import { systemClock } from '../protocol/clock.ts'
import { Refusal } from '../protocol/errors.ts'
import { noGrants } from '../protocol/grants.ts'
import { makePlainAccess } from '../services/access/plain-topics.ts'
import { makeAccounts } from '../services/auth/accounts.ts'
import { makePasswords } from '../services/auth/passwords.ts'
import { makeUserSettings } from '../services/auth/settings.ts'
import type { Tokens } from '../services/auth/tokens.ts'
import { makeTokens } from '../services/auth/tokens.ts'
import { rememberVerified } from '../services/auth/verified-tokens.ts'
import { makeConversations } from '../services/conversations/conversations.ts'
import type { Health, HttpDependencies } from '../services/http/dependencies.ts'
import type { HttpApi } from '../services/http/http.ts'
import { makeHttp } from '../services/http/http.ts'
import { makeMetricsAccess } from '../services/http/metrics-access.ts'
import { boundSockets } from '../services/http/sockets.ts'
import type { Readings } from '../services/metrics/catalogue.ts'
import type { Exposition, OwnExposition } from '../services/metrics/ports.ts'
import type { Administration } from './administration-port.ts'
import { makeBareServer } from './bare-server.ts'
import type { Chat } from './chat.ts'
import { makeChat } from './chat.ts'
import { openPlatform } from './open-platform.ts'
import type { Platform } from './platform.ts'
import { readChat } from './readings.ts'
import type { ListenAddress } from './server-file.ts'
import { version } from './version.ts'

export interface RunningServer {
  readonly mqtt: ListenAddress | undefined
  readonly http: ListenAddress | undefined
  /** The same over TLS. */
  readonly mqtts: ListenAddress | undefined
  readonly https: ListenAddress | undefined
  /** Reads the TLS certificates again; undefined when there are none. Never throws. */
  readonly reload: (() => void) | undefined
  userExists(user: string): Promise<boolean>
  /** Resolves with what ended the server by itself; never while it works. */
  readonly failed: Promise<Error>
  /** Is not ready any more, accepts nobody new after `drainDelayMs`, sends everybody away within
   * `drainTimeoutMs`, and frees everything. */
  close(): Promise<void>
}

/** What is closed when the server stops, in reverse order of its making. */
type Closing = (() => Promise<void> | void)[]

/** HTTP connections there is room for when WebSockets take all that the broker allows. */
const requestSocketsMax = 500
/** The same of one address. */
const requestSocketsPerAddressMax = 100
/** How long answers over HTTPS that are under way may take when the server stops. */
const tlsCloseGraceMs = 5000
const rateLimits = { register: 10, token: 30 }

/** Starts every role of the settings in this process. Rejects, with everything closed again, when
 * the data folder, a key or a port cannot be had. */
export async function startServer(
  settings: Settings,
  logger: PinoLogger,
  shareMetrics: ShareMetrics = (own) => own,
): Promise<RunningServer> {
  const closing: Closing = []
  const close = async () => {
    for (const part of closing.splice(0).reverse()) await part()
  }
  try {
    const server = await start(settings, logger, { closing, shareMetrics })
    return { ...server, close: () => server.leave().then(close) }
  } catch (error) {
    await close()
    throw error
  }
}

interface Started extends Omit<RunningServer, 'close'> {
  /** Says that it stops, and gives load balancers the time to hear it. */
  leave(): Promise<void>
}

/** Metrics of this process and others, from those of this one. */
type ShareMetrics = (own: OwnExposition) => Exposition

interface StartParts {
  readonly closing: Closing
  readonly shareMetrics: ShareMetrics
}

async function start(
  settings: Settings,
  logger: PinoLogger,
  { closing, shareMetrics }: StartParts,
): Promise<Started> {
  let chat: Chat | undefined
  const platform = await openPlatform(settings, {
    logger,
    storeFailed: (reason) => chat?.log.persistence.failed(reason),
  })
  closing.push(() => platform.close())
  const { store } = platform
  const tokens = rememberVerified(
    makeTokens({ ...tokenOptions(settings), keys: await platform.loadKeys(), clock: systemClock }),
    systemClock,
  )
  const made = makeChat(platform, settings, logger)
  chat = made
  closing.push(
    () => made.health.close(),
    () => made.receipts.close(),
    () => made.engine.close(),
    () => made.expiry.close(),
    // In bulk, before the engine closes one session after the other.
    () => made.receipts.settle(),
  )
  const readings: Foundation['readings'] = [() => readChat(made)]
  const own = makeExposition(() => Object.assign({}, ...readings.map((read) => read())))
  const metrics = shareMetrics(own)
  const services = { platform, tokens, chat: made, metrics, readings }
  const proxies = makeProxies({
    from: settings.proxyProtocolFrom,
    timeoutMs: settings.connectTimeoutMs,
    logger,
    clock: systemClock,
  })
  const life = { isStopping: false }
  const foundation: Foundation = { settings, logger, ...services, closing, proxies, life }
  const tls = makeTlsDoors(foundation)
  const httpServer = await makeHttpDoor(foundation)
  const { server } = httpServer
  const broker = settings.roles.includes('broker')
    ? await openBroker(foundation, server)
    : undefined
  if (tls !== undefined) closing.push(() => tls.stop())
  // Last, so that a client is known by its own address to all who listen to connections.
  proxies.expectAt(server)
  const { host, tlsHost = host, mqttPort, httpPort, mqttsPort, httpsPort } = settings
  const listenTls = async (port: number | undefined, enter: (socket: TLSSocket) => void) =>
    port !== undefined && tls !== undefined
      ? { host: tlsHost, port: await tls.listen({ host: tlsHost, port }, enter) }
      : undefined
  return {
    mqtt: broker && { host, port: await broker.listen({ host, port: mqttPort }) },
    mqtts: broker && (await listenTls(mqttsPort, broker.enter)),
    http: { host, ...(await httpServer.listen({ host, port: httpPort })) },
    https: await listenTls(httpsPort, (socket) => void server.emit('connection', socket)),
    reload: tls?.reload,
    userExists: (user) => store.users.userExists(user),
    failed: store.broken,
    async leave() {
      life.isStopping = true
      await new Promise((resolve) => setTimeout(resolve, settings.drainDelayMs))
    },
  }
}

/** TLS in front of MQTT and HTTP; undefined when there is no certificate. Closed after both. */
function makeTlsDoors({ settings, logger, closing, proxies }: Foundation): Tls | undefined {
  if (settings.tlsCertificate.length === 0) return undefined
  const tls = makeTls(
    {
      ...settings,
      connectionsMax: settings.connectionsMax + requestSocketsMax,
      connectionsPerAddressMax: settings.connectionsPerAddressMax + requestSocketsPerAddressMax,
    },
    { load: () => readCertificates(settings, systemClock), proxies, logger, clock: systemClock },
  )
  closing.push(() => tls.ended(tlsCloseGraceMs))
  return tls
}

interface Foundation {
  readonly settings: Settings
  readonly logger: PinoLogger
  readonly platform: Platform
  readonly tokens: Tokens
  readonly chat: Chat
  readonly metrics: Exposition
  /** What is read at a scrape. */
  readonly readings: (() => Partial<Readings>)[]
  readonly closing: Closing
  readonly proxies: Proxies
  readonly life: { isStopping: boolean }
}

async function openBroker(foundation: Foundation, server: HttpServer): Promise<Broker> {
  const { settings, logger, platform, tokens, chat, readings, closing, proxies } = foundation
  if (settings.anonymous) logger.warn('anonymous: whoever can reach this server may do everything')
  const existing = async (identity: Identity): Promise<Identity> => {
    if (await platform.store.users.userExists(identity.user)) return identity
    throw new Refusal('not-authorized', 'the user does not exist')
  }
  const broker = await makeBroker({
    ...chat,
    identify: async (token) => existing(await tokens.verify(token)),
    certify: ({ user, expiresAt }) => existing({ user, expiresAt, topics: noGrants }),
    proxies,
    logger,
    clock: systemClock,
    limits: settings,
    isTrusted: settings.anonymous,
    plainAccess: makePlainAccess(settings.openTopics),
    plainPersistence: platform.plainPersistence,
    ...(platform.plainBus && { plainBus: platform.plainBus }),
    randomId: () => randomBytes(12).toString('base64url'),
    random: Math.random,
  })
  const pace = settings.drainClientsPerSecond || Number.POSITIVE_INFINITY
  closing.push(() => broker.close(settings.drainTimeoutMs, pace))
  readings.push(() => broker.readings())
  broker.attach(server)
  return broker
}

function healthOf({ platform, chat, life }: Foundation): () => Health {
  return () => {
    const reasons = [...(life.isStopping ? ['the server stops'] : []), ...chat.health.reasons()]
    return { ready: reasons.length === 0, reasons, degraded: platform.degraded() }
  }
}

type HttpDoor = Pick<HttpApi, 'server' | 'listen' | 'close'>

/** The HTTP server: with the API, or for WebSockets only. */
async function makeHttpDoor(foundation: Foundation): Promise<HttpDoor> {
  const { settings, platform, metrics, closing } = foundation
  const adminToken = settings.adminToken?.reveal() ?? (await platform.loadAdminToken())
  const mayReadMetrics = makeMetricsAccess(settings.metricsAccess, adminToken)
  const door = settings.roles.includes('api')
    ? makeApi(foundation, { adminToken, mayReadMetrics })
    : makeBareServer({ metrics, mayReadMetrics, health: healthOf(foundation), version })
  boundSockets(door.server, {
    socketsMax: settings.connectionsMax + requestSocketsMax,
    connectTimeoutMs: settings.connectTimeoutMs,
    socketsPerAddressMax: settings.connectionsPerAddressMax + requestSocketsPerAddressMax,
    limitsExempt: settings.limitsExempt,
  })
  closing.push(() => door.close())
  return door
}

function makeApi(
  foundation: Foundation,
  access: Pick<HttpDependencies, 'adminToken' | 'mayReadMetrics'>,
): HttpApi {
  const { settings, logger, platform, tokens, chat, metrics } = foundation
  const { users } = platform.store
  return makeHttp({
    accounts: makeAccounts({ users, tokens, passwords: makePasswords() }),
    tokens,
    conversations: chat.conversations,
    receipts: chat.receipts,
    settings: makeUserSettings({ users, hides: chat.receipts.hides }),
    readLog: chat.log.read,
    health: healthOf(foundation),
    ...access,
    metrics,
    issuerInfo: { issuer: settings.issuer, audience: settings.audience },
    registration: settings.registration,
    rateLimits,
    logger,
    version,
  })
}

/** Opens the data folder of a stopped server for administration, or the store of a cluster, whose
 * brokers are told what changes. Rejects with `FolderInUse` when a process has the folder open. */
export async function openLocalAdministration(settings: Settings): Promise<Administration> {
  const platform = await openPlatform(settings, {
    logger: pino({ level: 'silent' }),
    storeFailed() {},
  })
  const { store } = platform
  const keys = await platform.loadKeys()
  const tokens = makeTokens({ ...tokenOptions(settings), keys, clock: systemClock })
  const accounts = makeAccounts({ users: store.users, tokens, passwords: makePasswords() })
  const conversations = makeConversations({
    store: store.conversations,
    announce: ({ user, conversation }) =>
      platform.peers?.tell({ user }, { type: 'membership', user, conversation }),
    renamed: () => {},
    random: randomBytes,
  })
  await canBeHeard(platform)
  return {
    addUser: (user, password) => accounts.addUser(user, password),
    issueToken: (user, ttlSeconds, topics) => accounts.tokenFor(user, ttlSeconds, topics),
    addGroup: async (request) =>
      void (await conversations.createGroup({ by: undefined, ...request })),
    close: () => platform.close(),
  }
}

const hearMsMax = 2000
const lookMs = 20

/** Waits, not for long, until the brokers hear what is told. Who is not told sees it when they
 * connect. */
async function canBeHeard({ peers }: Platform): Promise<void> {
  const giveUpAt = performance.now() + hearMsMax
  while (peers?.isUp() === false && performance.now() < giveUpAt) {
    await new Promise((resolve) => setTimeout(resolve, lookMs))
  }
}

function tokenOptions({ issuer, audience, tokenTtlSeconds }: Settings) {
  return { issuer, audience, ttlSeconds: tokenTtlSeconds }
}
