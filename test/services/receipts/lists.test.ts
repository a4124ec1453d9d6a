// Lists of what is unread, and reports of large conversations: how often the store is asked.

import t from 'tap'
import type { ReceiptStore } from '../../../services/receipts/ports.ts'
import { until } from '../../support/until.ts'
import { makeWorld } from './support/world.ts'

/** A town of three in which bob and carol have nine unread, counted one by one; `open` lets the
 * store count. */
async function setup(t: Parameters<typeof makeWorld>[0]) {
  const asked: string[] = []
  const tallied: number[] = []
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const wrap = (store: ReceiptStore): ReceiptStore => ({
    ...store,
    async count(range) {
      asked.push(range.user)
      await gate
      return store.count(range)
    },
    tally(question) {
      tallied.push(question.seq)
      return store.tally(question)
    },
  })
  const world = makeWorld(t, { wrap, countAtOnceMax: 1, listsMax: 2, receiptMembersMax: 2 })
  for (const user of ['alice', 'bob', 'carol', 'dave']) {
    await world.store.createUser(user, undefined)
  }
  const members = ['bob', 'carol']
  await world.store.createGroup({ group: 'town', title: '', owner: 'alice', members })
  for (let n = 0; n < 9; n++) await world.append('g:town', 'alice')
  return { ...world, asked, tallied, open: () => open() }
}

t.test('callers share one count of a user, and the next counts anew', async (t) => {
  const { receipts, asked, open, append } = await setup(t)
  const lists = Array.from({ length: 60 }, () => receipts.list('bob'))
  open()
  for (const { badge } of await Promise.all(lists)) t.equal(badge, 9)
  t.equal(asked.length, 9)
  await append('g:town', 'alice')
  t.equal((await receipts.list('bob')).badge, 10)
})

t.test('users take turns, and more than so many are refused', async (t) => {
  const { receipts, asked, open } = await setup(t)
  const lists = [receipts.list('bob'), receipts.list('carol')]
  await t.rejects(receipts.list('dave'), { code: 'rate-limited' })
  const again = receipts.list('bob')
  open()
  for (const { badge } of await Promise.all([...lists, again])) t.equal(badge, 9)
  t.equal(asked.length, 18)
  t.same([...new Set(asked.slice(0, 8))].sort(), ['bob', 'carol'], 'neither waits for the other')
  t.equal((await receipts.list('dave')).badge, 0, 'and then there is room')
})

t.test('closing ends a count, and asks nothing more of the store', async (t) => {
  const { receipts, asked, open } = await setup(t)
  const list = receipts.list('bob')
  await until('it counts', () => asked.length > 0)
  await receipts.close()
  open()
  await t.rejects(list, { name: 'Refusal', code: 'store-unavailable' })
  await t.rejects(receipts.list('bob'), { name: 'Refusal', code: 'store-unavailable' })
  t.equal(asked.length, 1)
})

t.test('a loop of questions about a large conversation looks at its members once', async (t) => {
  const { receipts, store, tallied } = await setup(t)
  const conversation = 'g:town'
  const mark = { conversation, user: 'bob', joinedSeq: 0, delivered: 9, read: 4 }
  await store.receipts.raise([mark])
  const ask = async (user: string, seq: number) => {
    const { members, delivered, read } = await receipts.report({ user, conversation, seq })
    return [members, delivered, read]
  }
  for (let n = 0; n < 20; n++) t.same(await ask('alice', 4), [2, 1, 1])
  t.same(await ask('bob', 4), [2, 0, 0], 'without who asks')
  t.same(tallied, [4])
  for (const seq of [5, 6, 7]) t.same(await ask('alice', seq), [2, 1, 0])
  await t.rejects(ask('carol', 8), { code: 'rate-limited' })
  await until('a second passes', () => ask('carol', 8).then(Boolean, () => false))
  t.same(tallied, [4, 5, 6, 7, 8])
})
