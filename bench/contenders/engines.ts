// The engines of contenders: a Redis and a MongoDB of their own, each in a folder on the disk.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import type { Child } from './processes.ts'
import { findProgram, freePort, isListening, startProgram } from './processes.ts'

/** A process that others work with. */
export interface Engine extends Pick<Child, 'pid' | 'died' | 'stop'> {
  readonly url: string
}

/** The path of mongod: MONGOD_BIN, or that of the PATH; undefined when there is none. */
export function findMongod(): string | undefined {
  return process.env.MONGOD_BIN ?? findProgram('mongod')
}

/** Starts redis-server in a folder. It keeps nothing, or, with `isDurable`, an append-only file
 * that is synchronised every second. */
export async function startRedis(folder: string, isDurable: boolean): Promise<Engine> {
  const port = await freePort()
  mkdirSync(folder, { recursive: true })
  const redis = startProgram(findProgram('redis-server') as string, [
    ...['--bind', '127.0.0.1', '--port', String(port), '--dir', folder],
    ...['--save', '', '--appendonly', isDurable ? 'yes' : 'no', '--appendfsync', 'everysec'],
  ])
  await redis.until(() => isListening(port))
  return { ...redis, url: `redis://127.0.0.1:${port}` }
}

/** Starts mongod in a folder, as a replica set of one. */
export async function startMongo(folder: string): Promise<Engine> {
  const port = await freePort()
  mkdirSync(folder, { recursive: true })
  const mongo = startProgram(findMongod() as string, [
    ...['--replSet', 'bench', '--dbpath', folder, '--bind_ip', '127.0.0.1', '--port', String(port)],
    ...['--wiredTigerCacheSizeGB', '1', '--logpath', join(folder, 'mongod.log')],
  ])
  await mongo.until(() => isListening(port))
  const address = `127.0.0.1:${port}`
  const client = new MongoClient(`mongodb://${address}/?directConnection=true`)
  try {
    const admin = client.db('admin')
    const members = [{ _id: 0, host: address }]
    await admin.command({ replSetInitiate: { _id: 'bench', members } })
    await mongo.until(async () => {
      const { isWritablePrimary } = await admin.command({ hello: 1 })
      return isWritablePrimary === true ? true : undefined
    })
  } finally {
    await client.close()
  }
  return { ...mongo, url: `mongodb://${address}/parley?replicaSet=bench` }
}
