// MongoDB for a test: a replica set of real mongod processes, of one member or three. MONGODB_URL
// names a cluster to use instead, where a test does not ask for processes that it can harm.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { type EngineProcess, freePort, type Owner, startEngine } from './engine-process.ts'
import { requireProgram } from './programs.ts'
import { temporaryFolder } from './server.ts'
import { until } from './until.ts'

export interface TestMongo {
  /** Of the whole set, without a database. */
  readonly url: string
  /** The URL of a database that no other test has. */
  freshDatabase(): string
}

export interface TestReplicaSet extends TestMongo {
  readonly members: readonly EngineProcess[]
  /** The member that takes writes now; waits until there is one. */
  primary(): Promise<EngineProcess>
  /** Makes the primary hand over. */
  stepDown(): Promise<void>
}

/** The reason to skip a test that can do with any MongoDB: MONGODB_URL, or a mongod of its own. */
export function skipWithoutMongo(): string | false {
  return process.env.MONGODB_URL ? false : requireProgram('mongod').skip
}

/** A MongoDB for the tests of a file: give it the root test, so that all share it, and take a
 * fresh database for each. The databases are dropped at the end where MONGODB_URL is set. */
export async function startMongo(t: Owner): Promise<TestMongo> {
  const url = process.env.MONGODB_URL
  if (!url) return startReplicaSet(t, { members: 1 })
  const names: string[] = []
  t.teardown(async () => {
    const client = new MongoClient(url)
    for (const name of names) await client.db(name).dropDatabase()
    await client.close()
  })
  return { url, freshDatabase: () => withDatabase(url, (name) => names.push(name)) }
}

export interface ReplicaSetOptions {
  readonly members: 1 | 3
  /** The port at which the driver and the other members find the one at `port`, where there is a
   * proxy between them. */
  readonly announce?: (port: number, index: number) => Promise<number>
}

/** Starts a replica set of this machine. Skip the test by `requireProgram('mongod').skip`. */
export async function startReplicaSet(
  t: Owner,
  options: ReplicaSetOptions,
): Promise<TestReplicaSet> {
  const folder = temporaryFolder(t)
  const members = await Promise.all(
    Array.from({ length: options.members }, (_, index) => startMember(t, join(folder, `${index}`))),
  )
  const announce = options.announce ?? (async (port) => port)
  const announced = await Promise.all(members.map(({ port }, index) => announce(port, index)))
  const hosts = announced.map((port) => `127.0.0.1:${port}`)
  await initiate(members[0]?.port ?? 0, hosts)
  const primary = () => findPrimary(members)
  await primary()
  const url = `mongodb://${hosts.join()}/?replicaSet=${setName}`
  return {
    url,
    members,
    primary,
    freshDatabase: () => withDatabase(url, () => {}),
    async stepDown() {
      const { port } = await primary()
      const command = { replSetStepDown: 10, secondaryCatchUpPeriodSecs: 5, force: true }
      await onMember(port, (client) => client.db('admin').command(command))
    },
  }
}

const setName = 'parley'

/** Little memory and disk, and no work in the background but the TTL monitor's, every second.
 * `enableTestCommands` is for `configureFailPoint`. */
const frugal = [
  ...['--wiredTigerCacheSizeGB', '0.25', '--oplogSize', '64', '--nounixsocket', '--quiet'],
  ...['--wiredTigerEngineConfigString', 'log=(prealloc=false,file_max=16MB)'],
  ...['--setParameter', 'diagnosticDataCollectionEnabled=false'],
  ...['--setParameter', 'ttlMonitorSleepSecs=1'],
  ...['--setParameter', 'enableTestCommands=1'],
]

async function startMember(t: Owner, folder: string): Promise<EngineProcess> {
  const { command } = requireProgram('mongod')
  if (command === undefined) throw new Error('there is no mongod')
  const port = await freePort()
  mkdirSync(folder)
  const place = ['--dbpath', folder, '--bind_ip', '127.0.0.1', '--port', `${port}`]
  const args = ['--replSet', setName, ...place, ...frugal]
  const isReady = () => onMember(port, ping).then(isDone, isNotYet)
  return startEngine(t, { name: 'mongod', command, args, port, isReady })
}

const ping = (client: MongoClient) => client.db('admin').command({ ping: 1 })
const isDone = () => true
const isNotYet = () => false

async function initiate(port: number, hosts: readonly string[]): Promise<void> {
  const config = {
    _id: setName,
    members: hosts.map((host, _id) => ({ _id, host })),
    // A primary that is gone is replaced after two seconds; by default after ten.
    settings: { electionTimeoutMillis: 2000, heartbeatIntervalMillis: 500 },
  }
  await onMember(port, (client) => client.db('admin').command({ replSetInitiate: config }))
}

/** The newest term decides: a primary that was paused may not know yet that it is none. */
async function findPrimary(members: readonly EngineProcess[]): Promise<EngineProcess> {
  let found: EngineProcess | undefined
  await until(
    'MongoDB has a primary',
    async () => {
      const answers = await Promise.all(members.map((member) => termOf(member).catch(() => -1)))
      const newest = Math.max(...answers)
      found = newest < 0 ? undefined : members[answers.indexOf(newest)]
      return found !== undefined
    },
    30_000,
  )
  return found as EngineProcess
}

/** The term in which the member is primary and takes writes; -1 when it is not. */
async function termOf({ port, pid }: EngineProcess): Promise<number> {
  if (pid() === 0) return -1
  const hello = await onMember(port, (client) => client.db('admin').command({ hello: 1 }))
  if (hello.isWritablePrimary !== true) return -1
  const term: unknown = hello.lastWrite?.opTime?.t
  return Number(term)
}

/** Does one thing on a member, whatever its state, within two seconds. */
async function onMember<Result>(
  port: number,
  work: (client: MongoClient) => Promise<Result>,
): Promise<Result> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 1000,
    connectTimeoutMS: 1000,
    socketTimeoutMS: 10_000,
  })
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

function withDatabase(url: string, noted: (name: string) => void): string {
  const name = `parley-test-${Math.random().toString(36).slice(2)}`
  noted(name)
  const [, start = url, , query = ''] =
    /^(mongodb(?:\+srv)?:\/\/[^/?]+)(\/[^?]*)?(\?.*)?$/.exec(url) ?? []
  return `${start}/${name}${query}`
}
