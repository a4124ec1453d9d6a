// Every command of the store says on which shard it is carried out, and is served by an index: seen
// in what the driver sends while the contracts of all ports are played.

import { MongoClient, ObjectId } from 'mongodb'
import t from 'tap'
import { makeMessages } from '../../../plugins/store-mongo/messages.ts'
import { makePackets } from '../../../plugins/store-mongo/packets.ts'
import { openMongoStore } from '../../../plugins/store-mongo/store.ts'
import { systemClock } from '../../../protocol/clock.ts'
import { makeLocks } from '../../../services/delivery/locks.ts'
import { makeStoreSequencer } from '../../../services/log/positions/fallback.ts'
import { makePositionLog } from '../../../services/log/positions/position-log.ts'
import { testConversationStore } from '../../contract/conversation-store.ts'
import { testDeviceStore } from '../../contract/device-store.ts'
import type { MakeEngine } from '../../contract/engine.ts'
import { fill, text, town, withGroup } from '../../contract/engine.ts'
import { testReceiptStore } from '../../contract/receipt-store.ts'
import { testUserStore } from '../../contract/user-store.ts'
import { skipWithoutMongo, startMongo } from '../../support/mongo.ts'
import { type CommandWatcher, makeCommandWatcher } from './command-watcher.ts'

const logger = { debug() {}, info() {}, warn() {}, error() {} }

/** Opens stores whose commands are watched, with the log of a cluster. */
function watched(freshDatabase: () => string, { commandStarted }: CommandWatcher) {
  return async (t: Parameters<MakeEngine>[0]) => {
    const url = freshDatabase()
    const store = await openMongoStore({ url, logger, clock: systemClock, commandStarted })
    t.teardown(() => store.close())
    const positions = { ...makeMessages(store.db), ...makePackets(store.db) }
    const log = makePositionLog(
      {
        store: positions,
        sequencer: makeStoreSequencer(positions),
        withLock: makeLocks(),
        makeToken: () => new ObjectId().toHexString(),
        clock: systemClock,
        pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
        failed() {},
        worked() {},
      },
      { waitMs: 5000, fillAfterMs: 1000 },
    )
    return { ...store, log }
  }
}

t.test('with MongoDB', { skip: skipWithoutMongo() }, async (t) => {
  const mongo = await startMongo(t)
  const client = new MongoClient(mongo.url)
  t.teardown(() => client.close())
  const databaseOf = (name: string) => client.db(name)

  await t.test('all commands carry their shard key, and none scans', async (t) => {
    const watcher = makeCommandWatcher()
    const makeEngine = watched(mongo.freshDatabase, watcher)
    await testUserStore(t, makeEngine)
    await testConversationStore(t, makeEngine)
    await testDeviceStore(t, makeEngine)
    await testReceiptStore(t, makeEngine)
    const engine = await withGroup(await makeEngine(t), 'alice', 'bob')
    await fill(engine, 20)
    await engine.log.read(town, { after: 3, limit: 5 })
    await engine.log.read(town, { newestFirst: true, limit: 5 })
    await engine.log.heads([town, 'g:nowhere'])
    const phone = { user: 'alice', device: 'phone' }
    await engine.devices.save({ ...phone, subscriptions: [] })
    const packet = { device: 'phone', packetId: 7, isRepeat: false, fingerprint: 1 }
    await engine.log.append([{ ...text('alice'), packet }, text('alice', 'a')], 1)
    await engine.log.append([{ ...text('alice', 'a'), mayBeStored: true }], 2)
    t.strictSame(await engine.log.unreleasedPackets('alice', 'phone'), [7])
    await engine.log.releasePackets([{ ...phone, packetId: 7 }])
    await engine.devices.forget('alice', 'phone')
    t.strictSame(watcher.faults(), [])
    t.ok(watcher.shapes() > 20, `${watcher.shapes()} shapes`)
    t.strictSame(await watcher.scans(databaseOf), [])
  })

  await t.test('a command without its shard key, and one that scans, are found', async (t) => {
    const watcher = makeCommandWatcher()
    const { db } = await watched(mongo.freshDatabase, watcher)(t)
    await db.collection('messages').findOne({ seq: 1 })
    await db.collection('members').updateOne({ user: 'alice' }, { $set: { read: 1 } })
    await db.collection('memberships').deleteMany({ user: { $gt: 'a' } })
    await db
      .collection('packets')
      .aggregate([{ $group: { _id: '$user' } }])
      .toArray()
    const found = watcher.faults().map((fault) => fault.split(' ').slice(0, 2).join(' '))
    t.strictSame(found, [
      'find messages',
      'update members',
      'delete memberships',
      'aggregate packets',
    ])
    const indexless = makeCommandWatcher()
    const store = await watched(mongo.freshDatabase, indexless)(t)
    await store.db
      .collection('messages')
      .find({ conversation: town }, { hint: { $natural: 1 } })
      .toArray()
    t.strictSame(indexless.faults(), [])
    t.equal((await indexless.scans(databaseOf)).length, 1)
  })
})
