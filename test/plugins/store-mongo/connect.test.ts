// Connecting to MongoDB: what it says of URLs and servers that cannot be used, and of those that
// are away.

import t from 'tap'
import { connectMongo } from '../../../plugins/store-mongo/connect.ts'
import { OperatorFault, StoreFailure } from '../../../protocol/failure.ts'
import { freePort } from '../../support/engine-process.ts'
import { startReplicaSet } from '../../support/mongo.ts'
import { requireProgram } from '../../support/programs.ts'
import { until } from '../../support/until.ts'
import { openStore, silent } from './engines.ts'

t.test('a URL that is none is refused without being quoted', async (t) => {
  for (const url of ['mongo://u:topsecret@host/parley', 'mongodb://u:topsecret@', 'topsecret']) {
    const error = await connectMongo({ url, logger: silent }).then(
      () => t.fail('was accepted'),
      (reason: unknown) => reason,
    )
    t.type(error, OperatorFault)
    t.notMatch(String(error), /topsecret/)
  }
})

t.test('a server that does not answer is a failure that may pass', async (t) => {
  const url = `mongodb://127.0.0.1:${await freePort()}/parley`
  await t.rejects(connectMongo({ url, logger: silent }), StoreFailure)
})

t.test(
  'a database is taken from the URL, or is parley',
  {
    skip: requireProgram('mongod').skip,
  },
  async (t) => {
    const lines: string[] = []
    const logger = { ...silent, warn: note, info: note }
    function note(_: object, message: string) {
      lines.push(message)
    }
    const mongo = await startReplicaSet(t, { members: 1 })
    const named = await connectMongo({ url: mongo.freshDatabase(), logger })
    t.match(named.db.databaseName, /^parley-test-/)
    await named.close()
    const unnamed = await connectMongo({ url: mongo.url, logger })
    t.equal(unnamed.db.databaseName, 'parley')
    await unnamed.close()

    await t.test(
      'and a server that goes away fails every call in time, and comes back',
      async (t) => {
        let failures = 0
        const failed = () => {
          failures++
        }
        const store = await openStore(t, mongo.url, { logger, failed })
        await store.users.createUser('alice', undefined)
        await store.check()
        lines.length = 0
        const [member] = mongo.members
        await member?.kill()
        await t.rejects(store.users.userExists('alice'), StoreFailure)
        await t.rejects(store.check(), StoreFailure)
        const group = { group: 'town', title: '', owner: 'alice', members: [] }
        await t.rejects(store.conversations.createGroup(group), StoreFailure)
        t.equal(failures, 2, 'told of calls of the ports')
        t.strictSame(lines, ['MongoDB has no primary'])
        await member?.restart()
        await until(
          'the store works',
          () =>
            store.check().then(
              () => true,
              () => false,
            ),
          30_000,
        )
        t.equal(await store.users.userExists('alice'), true)
        t.strictSame(await store.conversations.createGroup(group), { kind: 'created' })
        t.strictSame(lines, ['MongoDB has no primary', 'MongoDB has a primary again'])
        await store.close()
        await t.rejects(store.users.userExists('alice'))
        await store.close()
      },
    )
  },
)
