// MongoDB away for a while, and several brokers on one database: what fails may be done again, and
// what two do at a time is done once.

import t from 'tap'
import { openMongoStore } from '../../../plugins/store-mongo/store.ts'
import { systemClock } from '../../../protocol/clock.ts'
import { groupConversation } from '../../../protocol/ids.ts'
import { startReplicaSet } from '../../support/mongo.ts'
import { requireProgram } from '../../support/programs.ts'
import { until } from '../../support/until.ts'

const logger = { debug() {}, info() {}, warn() {}, error() {} }
const town = groupConversation('town')

t.test('with a replica set', { skip: requireProgram('mongod').skip }, async (t) => {
  const mongo = await startReplicaSet(t, { members: 1 })
  const open = async (url: string) => {
    const store = await openMongoStore({ url, logger, clock: systemClock })
    t.teardown(() => store.close())
    return store
  }
  const openTwo = async () => {
    const url = mongo.freshDatabase()
    return [await open(url), await open(url)] as const
  }

  await t.test('of what two brokers make at the same time there is one', async (t) => {
    const [one, two] = await openTwo()
    const users = ['alice', 'bob', 'carol', 'dave']
    for (const user of users) await one.users.createUser(user, undefined)
    const group = { group: 'town', title: '', owner: 'alice', members: ['bob'] }
    const made = await Promise.all([one, two].map((it) => it.conversations.createGroup(group)))
    t.strictSame(made.map(({ kind }) => kind).sort(), ['created', 'exists'])
    const added = await Promise.all(
      [one, two].flatMap(({ conversations }) =>
        ['carol', 'dave'].map((user) => conversations.addMember('town', user)),
      ),
    )
    t.strictSame(added.sort(), ['added', 'added', 'already', 'already'])
    t.match(await two.conversations.membership(town, 'bob'), { members: 4 })
    const direct = [one, two, one, two].map((it) => it.conversations.ensureDirect('alice', 'bob'))
    t.equal(new Set((await Promise.all(direct)).map((it) => it?.id)).size, 1)
    t.equal((await one.conversations.membershipsOf('alice')).length, 2)
  })

  await t.test('the highest of what two brokers write stays', async (t) => {
    const [one, two] = await openTwo()
    await one.users.createUser('alice', undefined)
    await one.conversations.createGroup({ group: 'town', title: '', owner: 'alice', members: [] })
    const phone = { user: 'alice', device: 'phone' }
    await one.devices.save({ ...phone, subscriptions: [] })
    const writes = Array.from({ length: 40 }, (_, n) => {
      const { devices, receipts } = n % 2 === 0 ? one : two
      const seq = ((n * 7) % 40) + 1
      const mark = { conversation: town, user: 'alice', joinedSeq: 0, delivered: seq, read: seq }
      const cursor = { ...phone, conversation: town, acked: seq, sent: seq }
      return Promise.all([devices.saveCursors([cursor]), receipts.raise([mark])])
    })
    await Promise.all(writes)
    const found = await two.devices.find('alice', 'phone')
    t.strictSame(found?.cursors, [{ conversation: town, acked: 40, sent: 40 }])
    t.match(await one.conversations.membership(town, 'alice'), { delivered: 40, read: 40 })
  })

  await t.test(
    'while MongoDB is gone all fails as what may pass, and works after it',
    async (t) => {
      const store = await open(mongo.freshDatabase())
      await store.users.createUser('alice', undefined)
      const [member] = mongo.members
      await member?.kill()
      await t.rejects(store.users.createUser('bob', undefined), { name: 'StoreFailure' })
      await t.rejects(store.conversations.membershipsOf('alice'), { name: 'StoreFailure' })
      await t.rejects(store.check(), { name: 'StoreFailure' })
      await member?.restart()
      const works = () =>
        store.check().then(
          () => true,
          () => false,
        )
      await until('the store works again', works, 30_000)
      t.equal(await store.users.userExists('alice'), true, 'what was acknowledged is there')
    },
  )

  await t.test('a primary that steps down is waited for', async (t) => {
    const store = await open(mongo.freshDatabase())
    await mongo.stepDown()
    const works = () =>
      store.users.createUser('alice', undefined).then(
        () => true,
        (error) => {
          if (error.name !== 'StoreFailure') throw error
          return false
        },
      )
    await until('the store works again', works, 60_000)
    t.equal(await store.users.userExists('alice'), true)
  })
})
