// What the devices of a cluster have beside their contract: a process that was killed sets no ends.

import t from 'tap'
import { collectionsOf } from '../../../plugins/store-mongo/collections.ts'
import { skipWithoutMongo, startMongo } from '../../support/mongo.ts'
import { openStore } from './engines.ts'

const hourMs = 3_600_000

t.test('devices of processes that were killed', { skip: skipWithoutMongo() }, async (t) => {
  const mongo = await startMongo(t)
  const phone = { user: 'alice', device: 'phone' }

  await t.test(
    'end when nothing was heard of them for long, unless they have no end',
    async (t) => {
      let now = 1000
      const store = await openStore(t, mongo.freshDatabase(), { clock: () => now })
      const { devices, users } = store
      await users.createUser('alice', undefined)
      await devices.save({ ...phone, subscriptions: [], expiryMs: hourMs })
      await devices.save({ user: 'alice', device: 'laptop', subscriptions: [] })
      const expire = () => devices.expire({ lastSeen: 0, end: now }, 10)
      now += 2 * hourMs
      t.strictSame(await expire(), [], 'connected ones are marked every hour')
      await devices.saveLastSeen([phone], now)
      now += 2.5 * hourMs
      t.strictSame(await expire(), [], 'it was marked')
      now += hourMs
      t.strictSame(await expire(), [phone])
      t.not(await devices.find('alice', 'laptop'), undefined)
    },
  )

  await t.test('end as they said when they went, whatever is marked then', async (t) => {
    const store = await openStore(t, mongo.freshDatabase(), { clock: () => 1000 })
    const { devices, users } = store
    await users.createUser('alice', undefined)
    await devices.save({ ...phone, subscriptions: [], expiryMs: 100 * hourMs })
    await devices.endAt(phone, 5000)
    await devices.saveLastSeen([phone], 2000)
    t.equal((await devices.find('alice', 'phone'))?.endsAt, 5000)
    t.strictSame(await devices.expire({ lastSeen: 0, end: 5001 }, 10), [phone])
  })

  await t.test('leave nothing behind when they end', async (t) => {
    const { db, ...store } = await openStore(t, mongo.freshDatabase())
    await store.users.createUser('alice', undefined)
    const group = { group: 'town', title: '', owner: 'alice', members: [] }
    await store.conversations.createGroup(group)
    const cursors = [{ conversation: 'g:town', acked: 1, sent: 1 }]
    await store.devices.save({ ...phone, subscriptions: [], cursors })
    const { memberships } = collectionsOf(db)
    t.equal(Object.keys((await memberships.findOne({ user: 'alice' }))?.cursors ?? {}).length, 1)
    await store.devices.forget('alice', 'phone')
    t.equal(Object.keys((await memberships.findOne({ user: 'alice' }))?.cursors ?? {}).length, 0)
  })
})
