// Watermarks: what raises them, when they are written, and who hears of them.

import t from 'tap'
import { until } from '../../support/until.ts'
import { settle } from '../delivery/support/devices.ts'
import { makeWorld, told, type World } from './support/world.ts'

async function setup(
  t: Parameters<typeof makeWorld>[0],
  options?: Parameters<typeof makeWorld>[1],
) {
  const world = makeWorld(t, options)
  for (const user of ['alice', 'bob', 'carol']) await world.store.createUser(user, undefined)
  const members = ['bob', 'carol']
  await world.store.createGroup({ group: 'town', title: '', owner: 'alice', members })
  const alice = await world.connect('alice/phone')
  const bob = await world.connect('bob/phone')
  return { world, alice, bob }
}

const stored = async ({ store }: World, user: string) => {
  const membership = await store.membership('g:town', user)
  return { delivered: membership?.delivered, read: membership?.read }
}

/** Bob's choice, stored and told as the API does it. */
async function hide(world: World, hides: boolean) {
  await world.store.saveSettings('bob', { readReceipts: hides ? 'nobody' : 'everyone' })
  world.receipts.hides('bob', hides)
}

t.test('what a device acknowledged is told at the next tick, and written later', async (t) => {
  const { world, alice, bob } = await setup(t)
  for (let n = 0; n < 3; n++) await world.publish('g:town', 'alice')
  bob.acknowledgeAll()
  t.strictSame(told(alice, 'receipt'), [])
  await until('the receipt', () => told(alice, 'receipt').length > 0)
  const receipt = { conversation: 'g:town', from: 'bob', group: 'town', delivered: 3, read: 0 }
  t.strictSame(told(alice, 'receipt'), [receipt], 'one for all')
  t.strictSame(told(bob, 'receipt'), [])
  t.strictSame(await stored(world, 'bob'), { delivered: 0, read: 0 })
  await world.receipts.settle()
  t.strictSame(await stored(world, 'bob'), { delivered: 3, read: 0 })
})

t.test('it is written when the user leaves, and told all the same', async (t) => {
  const { world, alice, bob } = await setup(t)
  await world.publish('g:town', 'alice')
  bob.acknowledgeAll()
  await world.disconnect(bob)
  t.strictSame(await stored(world, 'bob'), { delivered: 1, read: 0 })
  await until('the receipt', () => told(alice, 'receipt').length > 0)
})

t.test('a gap in what was acknowledged is not delivered', async (t) => {
  const { world, bob } = await setup(t)
  for (let n = 0; n < 3; n++) await world.publish('g:town', 'alice')
  for (const packetId of [1, 3]) bob.session?.acknowledge(packetId)
  await world.receipts.settle()
  t.strictSame(await stored(world, 'bob'), { delivered: 1, read: 0 })
  bob.session?.acknowledge(2)
  await world.receipts.settle()
  t.strictSame(await stored(world, 'bob'), { delivered: 3, read: 0 })
})

t.test('own entries and what came at QoS 0 raise nothing', async (t) => {
  const { world, alice } = await setup(t)
  const carol = await world.connect('carol/zero', ['g/+/#'], 0)
  await world.publish('g:town', 'alice')
  alice.acknowledgeAll()
  t.equal(carol.delivered.length, 1)
  await world.receipts.settle()
  for (const user of ['alice', 'carol']) {
    t.strictSame(await stored(world, user), { delivered: 0, read: 0 }, user)
  }
})

t.test('a read mark is durable when it resolves, and nothing before', async (t) => {
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const raised: number[] = []
  const { world, alice } = await setup(t, {
    wrap: (store) => ({
      ...store,
      async raise(marks) {
        raised.push(marks.length)
        await gate
        await store.raise(marks)
      },
    }),
  })
  for (let n = 0; n < 3; n++) await world.publish('g:town', 'alice')
  const member = world.member('bob', 'g:town')
  let done = 0
  const reads = [1, 2, 3].map((seq) => world.receipts.read(member, seq).then(() => done++))
  await settle()
  const late = world.receipts.read(member, 3).then(() => done++)
  await settle()
  t.strictSame([done, member.read, raised], [0, 0, [3]], 'one write is under way')
  t.strictSame(told(alice, 'receipt'), [])
  release()
  await Promise.all([...reads, late])
  t.strictSame([member.read, raised], [3, [3, 1]], 'the next one took what had gathered')
  t.strictSame(await stored(world, 'bob'), { delivered: 3, read: 3 })
})

t.test('a read mark the store does not take is refused, and moves nothing', async (t) => {
  const { world } = await setup(t)
  await world.publish('g:town', 'alice')
  const member = world.member('bob', 'g:town')
  world.store.setFailing(true)
  await t.rejects(world.receipts.read(member, 1), { name: 'StoreFailure' })
  t.equal(member.read, 0)
  world.store.setFailing(false)
  await world.receipts.read(member, 1)
  t.strictSame(await stored(world, 'bob'), { delivered: 1, read: 1 })
})

t.test('who has come anew while the mark was written has it too', async (t) => {
  let isHeld = false
  let release = () => {}
  const { world, bob } = await setup(t, {
    wrap: (store) => ({
      ...store,
      async raise(marks) {
        if (isHeld) {
          await new Promise<void>((resolve) => {
            release = resolve
          })
        }
        await store.raise(marks)
      },
    }),
  })
  await world.publish('g:town', 'alice')
  isHeld = true
  const reading = world.receipts.read(world.member('bob', 'g:town'), 1)
  await settle()
  await world.disconnect(bob)
  await world.connect('bob/laptop')
  t.equal(world.member('bob', 'g:town').read, 0)
  release()
  await reading
  t.equal(world.member('bob', 'g:town').read, 1)
})

t.test('a hidden read mark is told to nobody', async (t) => {
  const { world, alice, bob } = await setup(t)
  await world.publish('g:town', 'alice')
  bob.acknowledgeAll()
  await until('delivered', () => told(alice, 'receipt').length === 1)
  await world.receipts.settle()
  await hide(world, true)
  const member = world.member('bob', 'g:town')
  await world.publish('g:town', 'alice')
  await world.receipts.read(member, 2)
  await until('bob hears', () => told(bob, 'event').some(({ read }) => read === 2))
  t.equal(told(alice, 'receipt').length, 1, 'not even that it was delivered')
  t.strictSame(await stored(world, 'bob'), { delivered: 1, read: 2 })
  bob.acknowledgeAll()
  await until('alice hears', () => told(alice, 'receipt').length === 2)
  t.match(told(alice, 'receipt')[1], { delivered: 2, read: 0 })
  await hide(world, false)
  await world.publish('g:town', 'alice')
  await world.receipts.read(member, 3)
  await until('alice hears', () => told(alice, 'receipt').length === 3)
  t.match(told(alice, 'receipt')[2], { delivered: 3, read: 3 })
})

t.test('what was read while it was hidden shows as delivered once it shows', async (t) => {
  const { world, alice, bob } = await setup(t)
  for (let n = 0; n < 2; n++) await world.publish('g:town', 'alice')
  await hide(world, true)
  await world.receipts.read(world.member('bob', 'g:town'), 2)
  await hide(world, false)
  bob.session?.acknowledge(1)
  await until('alice hears', () => told(alice, 'receipt').length === 1)
  t.match(told(alice, 'receipt')[0], { delivered: 2, read: 2 })
})

t.test('who has left says nothing more, and hears of the conversation once', async (t) => {
  const reading = { isHeld: true, release: () => {} }
  const { world, alice, bob } = await setup(t, {
    wrap: (store) => ({
      ...store,
      async raise(marks) {
        if (reading.isHeld) {
          await new Promise<void>((resolve) => {
            reading.release = resolve
          })
        }
        await store.raise(marks)
      },
    }),
  })
  for (let n = 0; n < 2; n++) await world.publish('g:town', 'alice')
  const member = world.member('bob', 'g:town')
  const read = world.receipts.read(member, 1)
  await settle()
  bob.acknowledgeAll()
  await world.change('left', 'town', 'bob')
  const unread = () => told(bob, 'event').filter(({ type }) => type === 'unread')
  await until('bob hears', () => unread().some((event) => event.unread === 0))
  const { length } = unread()
  reading.isHeld = false
  reading.release()
  await read
  // Carol's receipt goes out at a later tick than anything of bob would.
  const carol = await world.connect('carol/phone')
  await world.publish('g:town', 'alice')
  carol.acknowledgeAll()
  await until('a receipt of carol', () => told(alice, 'receipt').length > 0)
  t.match(told(alice, 'receipt'), [{ from: 'carol' }])
  t.equal(unread().length, length)
  t.match(unread().at(-1), { conversation: 'g:town', unread: 0, badge: 0 })
})
