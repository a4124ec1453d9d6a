// Making the database ready: on a real mongod, and the sharding commands, which need a mongos, by
// the answers that one gives (MongoDB 6.0 manual: shardCollection, enableSharding).

import { Writable } from 'node:stream'
import { type Document, MongoClient } from 'mongodb'
import { pino } from 'pino'
import t from 'tap'
import { runCommandLine } from '../../../cli/run.ts'
import { plans } from '../../../plugins/store-mongo/collections.ts'
import { connectMongo } from '../../../plugins/store-mongo/connect.ts'
import type { AdminCommands, ShardedCollection } from '../../../plugins/store-mongo/init.ts'
import {
  demandSharding,
  initCluster,
  prepare,
  shardCollections,
} from '../../../plugins/store-mongo/init.ts'
import { skipWithoutMongo, startMongo } from '../../support/mongo.ts'

const logger = pino({ level: 'silent' })
const sharded = plans.filter(({ shardKey }) => shardKey !== undefined)

/** A mongos as far as the commands go: it remembers what it was told to shard. */
function recordedCommands(already: readonly ShardedCollection[] = []) {
  const collections = [...already]
  const commands: Document[] = []
  const port: AdminCommands = {
    async run(command) {
      commands.push(command)
      if (command.shardCollection !== undefined) {
        collections.push({ _id: command.shardCollection, key: command.key })
        return { collectionsharded: command.shardCollection, ok: 1 }
      }
      return { ok: 1 }
    },
    sharded: async (names) => collections.filter(({ _id }) => names.includes(_id)),
  }
  return { port, commands }
}

t.test('behind a router each collection is sharded by its key, once', async (t) => {
  const { port, commands } = recordedCommands()
  const first = await shardCollections('chat', port)
  t.strictSame(commands, [
    { enableSharding: 'chat' },
    ...sharded.map(({ name, shardKey }) => ({ shardCollection: `chat.${name}`, key: shardKey })),
  ])
  t.match(first.join('\n'), /chat\.messages is now sharded by \{"conversation":1\}/)
  const second = await shardCollections('chat', port)
  t.strictSame(commands.slice(sharded.length + 1), [{ enableSharding: 'chat' }])
  t.match(second.join('\n'), /chat\.messages is sharded by/)
  t.strictSame(
    sharded.map(({ name }) => name),
    ['users', 'conversations', 'members', 'memberships', 'messages', 'devices', 'packets'],
  )
})

t.test('what was sharded by another key is refused, before anything is done', async (t) => {
  const { port, commands } = recordedCommands([{ _id: 'chat.messages', key: { _id: 'hashed' } }])
  await t.rejects(shardCollections('chat', port), { name: 'OperatorFault', message: /messages by/ })
  t.strictSame(commands, [])
})

t.test('a server refuses a router where a collection is not sharded', async (t) => {
  const { port } = recordedCommands()
  await t.rejects(demandSharding('chat', port), {
    name: 'OperatorFault',
    message: /messages.*parley cluster init/,
  })
  await shardCollections('chat', port)
  await demandSharding('chat', port)
})

t.test('each unique index of a sharded collection begins with its shard key', async (t) => {
  for (const { name, shardKey = {}, indexes } of sharded) {
    for (const { key, options } of indexes) {
      if (options?.unique !== true) continue
      const fields = Object.entries(shardKey)
      t.strictSame(Object.entries(key).slice(0, fields.length), fields, name)
    }
  }
})

t.test('on a replica set', { skip: skipWithoutMongo() }, async (t) => {
  const mongo = await startMongo(t)
  const indexesOf = async (url: string) => {
    const client = new MongoClient(url)
    try {
      const names = plans.map(async ({ name }) => [
        name,
        await client.db().collection(name).indexes(),
      ])
      return await Promise.all(names)
    } finally {
      await client.close()
    }
  }

  await t.test('the command makes the indexes, says so, and may be run again', async (t) => {
    const url = mongo.freshDatabase()
    const run = async () => {
      let text = ''
      const output = new Writable({
        write(chunk, _encoding, done) {
          text += String(chunk)
          done()
        },
      })
      const environment = { MONGODB_URL: url, REDIS_URL: 'redis://127.0.0.1:1' }
      const streams = { input: process.stdin, output, diagnostics: output }
      const code = await runCommandLine(['cluster', 'init'], {
        version: '0',
        environment,
        ...streams,
      })
      return { code, text }
    }
    const first = await run()
    t.equal(first.code, 0, first.text)
    t.match(first.text, /messages: 2 indexes\n/)
    t.notMatch(first.text, /mongodb:/, 'never the URL')
    const made = await indexesOf(url)
    t.strictSame(await run(), first)
    t.strictSame(await indexesOf(url), made)
    for (const [name, indexes] of made) {
      const plan = plans.find((it) => it.name === name)
      t.equal(indexes?.length, (plan?.indexes.length ?? 0) + 1, String(name))
    }
  })

  await t.test('without a URL the command says what is missing', async (t) => {
    let text = ''
    const output = new Writable({
      write(chunk, _encoding, done) {
        text += String(chunk)
        done()
      },
    })
    const streams = { input: process.stdin, output, diagnostics: output }
    const context = { version: '0', environment: {}, ...streams }
    t.equal(await runCommandLine(['cluster', 'init'], context), 2)
    t.match(text, /MONGODB_URL is not set/)
  })

  await t.test('servers that start together on an empty database make it ready', async (t) => {
    const url = mongo.freshDatabase()
    const connections = await Promise.all([1, 2, 3].map(() => connectMongo({ url, logger })))
    t.teardown(() => Promise.all(connections.map((connection) => connection.close())))
    await Promise.all(connections.map((connection) => prepare(connection)))
    const made = await indexesOf(url)
    await initCluster(url, logger)
    t.strictSame(await indexesOf(url), made, 'as the command does')
  })
})
