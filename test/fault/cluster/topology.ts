// The cluster of a test, all of it real: HAProxy, brokers, Redis with its log on disk and MongoDB
// of three members, with Toxiproxy between them.

import {
  type EngineProcess,
  freePort,
  type Owner,
  startEngine,
} from '../../support/engine-process.ts'
import { startReplicaSet, type TestReplicaSet } from '../../support/mongo.ts'
import { skipWithout } from '../../support/programs.ts'
import { startRedis, type TestRedis } from '../../support/redis.ts'
import { adminToken, temporaryFolder } from '../../support/server.ts'
import { startToxiproxy, type TestProxy, type TestToxiproxy } from '../../support/toxiproxy.ts'
import { type Api, makeApi } from '../server-program.ts'
import { startHaproxy, type TestHaproxy } from './haproxy.ts'

export interface ClusterBroker {
  readonly process: EngineProcess
  readonly mqttPort: number
  readonly httpPort: number
  /** Between HAProxy and its MQTT door. */
  readonly clients: TestProxy
  /** Between it and Redis. */
  readonly redis: TestProxy
  /** Requests to this broker alone. */
  readonly api: Api
}

export interface Cluster {
  readonly brokers: readonly ClusterBroker[]
  readonly redis: TestRedis
  readonly mongo: TestReplicaSet
  /** Between each member of MongoDB and everybody else. */
  readonly mongoProxies: readonly TestProxy[]
  readonly haproxy: TestHaproxy
  /** Requests through HAProxy. */
  readonly api: Api
}

export interface ClusterOptions {
  readonly brokers: number
  /** More words for `parley serve`. */
  readonly flags?: readonly string[]
}

/** The reason to skip; false when all programs are here. */
export function skipWithoutCluster(): string | false {
  return skipWithout('mongod', 'redis-server', 'toxiproxy-server', 'haproxy')
}

/** Starts everything, and resolves when all brokers are ready. */
export async function startCluster(t: Owner, options: ClusterOptions): Promise<Cluster> {
  const toxiproxy = await startToxiproxy(t)
  const redis = await startRedis(t, { appendOnly: true })
  const mongoProxies: TestProxy[] = []
  const mongo = await startReplicaSet(t, {
    members: 3,
    announce: async (port, index) => {
      const proxy = await toxiproxy.proxy(`mongo ${index}`, port)
      mongoProxies[index] = proxy
      return proxy.port
    },
  })
  const engines = { toxiproxy, redis, mongodbUrl: mongo.freshDatabase() }
  const brokers: ClusterBroker[] = []
  for (let index = 0; index < options.brokers; index++) {
    brokers.push(await startBroker(t, engines, { ...options, index }))
  }
  const backends = brokers.map(({ clients, httpPort }) => ({ mqttPort: clients.port, httpPort }))
  const haproxy = await startHaproxy(t, backends)
  const log = () => brokers.flatMap(({ process }) => process.output()).join('\n')
  const api = makeApi(haproxy.httpPort, log)
  return { brokers, redis, mongo, mongoProxies, haproxy, api }
}

interface Engines {
  readonly toxiproxy: TestToxiproxy
  readonly redis: TestRedis
  readonly mongodbUrl: string
}

async function startBroker(
  t: Owner,
  { toxiproxy, redis, mongodbUrl }: Engines,
  { index, flags = [] }: ClusterOptions & { readonly index: number },
): Promise<ClusterBroker> {
  const [mqttPort, httpPort] = [await freePort(), await freePort()]
  const toRedis = await toxiproxy.proxy(`redis of broker ${index}`, redis.port)
  const main = new URL('../../../cli/main.js', import.meta.url).pathname
  const ports = ['--mqtt-port', `${mqttPort}`, '--http-port', `${httpPort}`]
  const process_ = await startEngine(t, {
    name: `broker ${index}`,
    command: process.execPath,
    args: [main, 'serve', '--data', temporaryFolder(t), ...ports, ...flags],
    port: mqttPort,
    environment: {
      PATH: process.env.PATH,
      PARLEY_ADMIN_TOKEN: adminToken,
      REDIS_URL: `redis://127.0.0.1:${toRedis.port}`,
      MONGODB_URL: mongodbUrl,
    },
    isReady: () => isReady(httpPort),
  })
  return {
    process: process_,
    mqttPort,
    httpPort,
    clients: await toxiproxy.proxy(`clients of broker ${index}`, mqttPort),
    redis: toRedis,
    api: makeApi(httpPort, process_.output),
  }
}

/** Whether a server says that it can work. */
export async function isReady(httpPort: number): Promise<boolean> {
  const headers = { connection: 'close' }
  const signal = AbortSignal.timeout(2000)
  const answer = await fetch(`http://127.0.0.1:${httpPort}/readyz`, { headers, signal }).catch(
    () => undefined,
  )
  return answer?.ok === true
}
