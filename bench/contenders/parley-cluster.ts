// Parley as a cluster: brokers on a Redis with an append-only file and a MongoDB, all on this
// machine, with the case's users and groups in it and a token for each user.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { findServer } from '../../cli/server-file.ts'
import { loadSettings } from '../../config/load.ts'
import type { MongoStore } from '../../plugins/store-mongo/store.ts'
import { openMongoStore } from '../../plugins/store-mongo/store.ts'
import { systemClock } from '../../protocol/clock.ts'
import { makeTokens } from '../../services/auth/tokens.ts'
import type { Contender, Population } from './contender.ts'
import type { Engine } from './engines.ts'
import { findMongod, startMongo, startRedis } from './engines.ts'
import type { Child } from './processes.ts'
import { findProgram, startProgram } from './processes.ts'

const program = fileURLToPath(new URL('../../cli/main.js', import.meta.url))
const connectionsMax = 20_000
/** Users that are made at a time. */
const batchMax = 200

/** A cluster of so many brokers. `nodeFlags` go to the brokers, to profile them. */
export function makeParleyCluster(brokers: number, nodeFlags: readonly string[]): Contender {
  const name = brokers === 1 ? 'parley-cluster' : `parley-cluster-${brokers}`
  return {
    name,
    title: `Parley, ${brokers} broker${brokers > 1 ? 's' : ''}, MongoDB (majority, journal), Redis`,
    groupFilter: 'g/+/msg',
    missing() {
      if (findProgram('redis-server') === undefined) return 'it has no redis-server'
      return findMongod() === undefined ? 'it has no mongod (MONGOD_BIN)' : undefined
    },
    async start(population, folder) {
      const children: (Child | Engine)[] = []
      const stop = async () => {
        for (const child of children.splice(0).reverse()) await child.stop()
      }
      try {
        const mongo = await startMongo(join(folder, 'mongo'))
        children.push(mongo)
        const redis = await startRedis(join(folder, 'redis'), true)
        children.push(redis)
        const usersFile = join(folder, 'users.tsv')
        await prepareStore(mongo.url, population, usersFile)
        const environment = { MONGODB_URL: mongo.url, REDIS_URL: redis.url }
        const started = Array.from({ length: brokers }, (_, n) =>
          startBroker(join(folder, `data-${n}`), nodeFlags, environment),
        )
        children.push(...started.map(({ child }) => child))
        const urls = await Promise.all(
          started.map(({ child, data }) => child.until(() => findServer(data)?.mqtt)),
        )
        return {
          address: urls.map((url) => new URL(url).host).join(','),
          parts: [
            ...started.map(({ child }, n) => ({ name: `broker-${n + 1}`, pid: child.pid })),
            { name: 'redis-server', pid: redis.pid },
            { name: 'mongod', pid: mongo.pid },
          ],
          usersFile,
          died: AbortSignal.any(children.map(({ died }) => died)),
          stop,
        }
      } catch (error) {
        await stop()
        throw error
      }
    },
  }
}

function startBroker(data: string, nodeFlags: readonly string[], environment: object) {
  mkdirSync(data, { mode: 0o700 })
  const words = ['serve', '--data', data, '--mqtt-port', '0', '--http-port', '0']
  const limits = ['--connections-max', String(connectionsMax), '--log-level', 'error']
  const child = startProgram(
    process.execPath,
    [...nodeFlags, program, ...words, ...limits],
    environment as Record<string, string>,
  )
  return { child, data }
}

/** Makes users and groups, and the file of `user<TAB>token` lines, in the order of the
 * population. */
async function prepareStore(url: string, { users, groups }: Population, usersFile: string) {
  const logger = pino({ level: 'silent' })
  const store = await openMongoStore({ url, logger, clock: systemClock })
  try {
    const all = [...new Set([...users, ...groups.flatMap(({ members }) => members)])]
    for (let at = 0; at < all.length; at += batchMax) {
      const some = all.slice(at, at + batchMax)
      await Promise.all(some.map((user) => store.users.createUser(user, undefined)))
    }
    for (const { id, members } of groups) {
      const [owner = '', ...others] = members
      const made = await store.conversations.createGroup({
        ...{ group: id, title: id, owner },
        members: others,
      })
      if (made.kind !== 'created') throw new Error(`the group ${id} could not be made`)
    }
    writeFileSync(usersFile, await tokensOf(store, users), { mode: 0o600 })
  } finally {
    await store.close()
  }
}

async function tokensOf(store: MongoStore, users: readonly string[]): Promise<string> {
  const environment = {}
  const { settings } = loadSettings({ flags: {}, environment, readFile: () => '{}' })
  const { issuer, audience, tokenTtlSeconds: ttlSeconds } = settings
  const keys = await store.loadKeys()
  const tokens = makeTokens({ keys, issuer, audience, ttlSeconds, clock: systemClock })
  const lines = await Promise.all(
    users.map(async (user) => `${user}\t${(await tokens.issue(user)).token}\n`),
  )
  return lines.join('')
}
