// Several processes on one database: whatever they do at the same time, it is as if one had done it
// after the other.

import type { Test } from 'tap'
import t from 'tap'
import { collectionsOf } from '../../../plugins/store-mongo/collections.ts'
import { town, withGroup } from '../../contract/engine.ts'
import { skipWithoutMongo, startMongo } from '../../support/mongo.ts'
import { openStore } from './engines.ts'

const skip = skipWithoutMongo()
const rounds = 10

t.test('two stores on one database', { skip }, async (t) => {
  const mongo = await startMongo(t)
  const open = async (t: Test) => {
    const url = mongo.freshDatabase()
    return [await openStore(t, url), await openStore(t, url)] as const
  }

  await t.test('make one group, and one direct conversation', async (t) => {
    const [one, two] = await open(t)
    for (const user of ['alice', 'bob']) await one.users.createUser(user, undefined)
    for (let round = 0; round < rounds; round++) {
      const group = { group: `g${round}`, title: '', owner: 'alice', members: ['bob'] }
      const made = await Promise.all([one, two].map((it) => it.conversations.createGroup(group)))
      t.strictSame(made.map(({ kind }) => kind).sort(), ['created', 'exists'])
    }
    const [first, second] = await Promise.all([
      one.conversations.ensureDirect('alice', 'bob'),
      two.conversations.ensureDirect('bob', 'alice'),
    ])
    t.strictSame(first, second)
    t.equal((await one.conversations.membershipsOf('bob')).length, rounds + 1)
  })

  await t.test('count the members whoever comes and goes, in both copies', async (t) => {
    const [one, two] = await open(t)
    const users = Array.from({ length: rounds }, (_, n) => `user${n}`)
    await withGroup(one, 'alice')
    for (const user of users) await one.users.createUser(user, undefined)
    const outcomes = await Promise.all(
      users.flatMap((user, n) => [
        one.conversations.addMember('town', user),
        two.conversations.addMember('town', user),
        (n % 2 === 0 ? one : two).conversations.removeMember('town', user),
      ]),
    )
    t.ok(outcomes.includes('added'))
    const members = await one.conversations.membersOf(town, { limit: 100 })
    const { members: counted } = (await two.conversations.membership(town, 'alice')) ?? {}
    t.equal(counted, members.length)
    const copies = await collectionsOf(one.db)
      .memberships.find({ conversation: town })
      .sort({ user: 1 })
      .toArray()
    t.strictSame(
      copies.map(({ user }) => user),
      members.map(({ user }) => user),
    )
  })

  await t.test('leave no group without an owner', async (t) => {
    const [one, two] = await open(t)
    for (const user of ['alice', 'bob']) await one.users.createUser(user, undefined)
    for (let round = 0; round < rounds; round++) {
      const group = `g${round}`
      await one.conversations.createGroup({ group, title: '', owner: 'alice', members: [] })
      const [removed, added] = await Promise.all([
        one.conversations.removeMember(group, 'alice'),
        two.conversations.addMember(group, 'bob'),
      ])
      t.equal(added, 'added')
      const left = await one.conversations.membersOf(`g:${group}`, { limit: 3 })
      t.equal(left.length, removed === 'removed' ? 1 : 2, removed)
    }
  })

  await t.test('keep no cursor of a member who was removed meanwhile', async (t) => {
    const [one, two] = await open(t)
    await withGroup(one, 'alice', 'bob')
    const phone = { user: 'bob', device: 'phone' }
    await one.devices.save({ ...phone, subscriptions: [] })
    for (let round = 1; round <= rounds; round++) {
      const cursor = { conversation: town, acked: round, sent: round }
      await Promise.all([
        one.conversations.removeMember('town', 'bob'),
        two.devices.saveCursors([{ ...phone, ...cursor }]),
        two.devices.save({ ...phone, subscriptions: [], cursors: [cursor] }),
      ])
      t.strictSame((await two.devices.find('bob', 'phone'))?.cursors, [])
      await two.conversations.addMember('town', 'bob')
      t.strictSame((await one.devices.find('bob', 'phone'))?.cursors, [])
    }
  })

  await t.test('move cursors and watermarks up only', async (t) => {
    const [one, two] = await open(t)
    await withGroup(one, 'alice', 'bob')
    const phone = { user: 'bob', device: 'phone' }
    await one.devices.save({ ...phone, subscriptions: [] })
    const steps = Array.from({ length: 40 }, (_, n) => ((n * 17) % 40) + 1)
    await Promise.all(
      steps.map(async (seq, n) => {
        const store = n % 2 === 0 ? one : two
        const mark = { conversation: town, user: 'bob', joinedSeq: 0, delivered: seq, read: seq }
        await store.receipts.raise([mark])
        await store.devices.saveCursors([{ ...phone, conversation: town, acked: seq, sent: seq }])
      }),
    )
    t.match(await one.conversations.membership(town, 'bob'), { delivered: 40, read: 40 })
    const cursors = [{ conversation: town, acked: 40, sent: 40 }]
    t.match(await two.devices.find('bob', 'phone'), { cursors })
  })

  await t.test('know everywhere what a user hides, also where they join meanwhile', async (t) => {
    const [one, two] = await open(t)
    for (const user of ['alice', 'bob']) await one.users.createUser(user, undefined)
    for (let round = 0; round < rounds; round++) {
      const readReceipts = round % 2 === 0 ? 'nobody' : 'everyone'
      const group = { group: `g${round}`, title: '', owner: 'alice', members: ['bob'] }
      await Promise.all([
        one.users.saveSettings('bob', { readReceipts }),
        two.conversations.createGroup(group),
      ])
      const hides = (await one.conversations.membershipsOf('bob')).map((it) => it.hidesReads)
      t.strictSame(new Set(hides), new Set([readReceipts === 'nobody']))
    }
  })

  await t.test('give a user no more devices than there is room for', async (t) => {
    const [one, two] = await open(t)
    await one.users.createUser('alice', undefined)
    const saved = await Promise.all(
      Array.from({ length: 8 }, (_, n) => {
        const device = { user: 'alice', device: `device${n}`, subscriptions: [], devicesMax: 3 }
        return (n % 2 === 0 ? one : two).devices.save(device)
      }),
    )
    t.equal(saved.filter((isSaved) => isSaved).length, 3)
  })
})
