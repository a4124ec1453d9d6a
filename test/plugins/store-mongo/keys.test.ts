// The secrets of a cluster: made once, whoever starts first, and the same for all.

import t from 'tap'
import { collectionsOf } from '../../../plugins/store-mongo/collections.ts'
import { OperatorFault } from '../../../protocol/failure.ts'
import { skipWithoutMongo, startMongo } from '../../support/mongo.ts'
import { openStore } from './engines.ts'

t.test('the keys of a cluster', { skip: skipWithoutMongo() }, async (t) => {
  const mongo = await startMongo(t)

  await t.test('are the same for processes that start together, and later', async (t) => {
    const url = mongo.freshDatabase()
    const stores = await Promise.all([1, 2, 3].map(() => openStore(t, url)))
    const keys = await Promise.all(stores.map((store) => store.loadKeys()))
    const tokens = await Promise.all(stores.map((store) => store.loadAdminToken()))
    t.equal(new Set(keys.map(([key]) => key?.kid)).size, 1)
    t.equal(new Set(tokens).size, 1)
    t.match(tokens[0], /^[A-Za-z0-9_-]{43}$/)
    const later = await openStore(t, url)
    t.strictSame(await later.loadKeys(), keys[0])
    t.equal(await later.loadAdminToken(), tokens[0])
  })

  await t.test('are refused, unquoted, when they are none', async (t) => {
    const store = await openStore(t, mongo.freshDatabase())
    const { keys } = collectionsOf(store.db)
    const _ids = ['signing-keys', 'admin-token']
    await keys.insertMany(_ids.map((_id) => ({ _id, text: '{"keys":[]} topsecret' })))
    for (const load of [() => store.loadKeys(), () => store.loadAdminToken()]) {
      const error = await load().then(
        () => t.fail('was accepted'),
        (reason: unknown) => reason,
      )
      t.type(error, OperatorFault)
      t.match(error, { message: /^the document [a-z-]+ in the collection keys is not/ })
      t.notMatch(error, { message: /topsecret/ })
    }
  })
})
