// Fairness in turns of the event loop, and work one after the other by key.

import t from 'tap'
import { makeLocks } from '../../../services/delivery/locks.ts'
import { makeTurns } from '../../../services/delivery/turns.ts'

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

t.test('so many are served in a turn, the others later, first come first served', async (t) => {
  const turns = makeTurns(3)
  const served: number[] = []
  for (let i = 0; i < 8; i++) void turns().then(() => served.push(i))
  await Promise.resolve()
  const perTurn: number[] = [served.length]
  while (served.length < 8) {
    const before = served.length
    await nextTurn()
    perTurn.push(served.length - before)
  }
  t.same(served, [0, 1, 2, 3, 4, 5, 6, 7])
  t.ok(
    perTurn.every((count) => count <= 3),
    `${perTurn}`,
  )
})

t.test('nobody overtakes those who wait, and an idle time begins anew', async (t) => {
  const turns = makeTurns(1)
  const served: string[] = []
  const ask = (name: string) => void turns().then(() => served.push(name))
  ask('a')
  ask('b')
  ask('c')
  await nextTurn()
  ask('late')
  while (served.length < 4) await nextTurn()
  t.same(served, ['a', 'b', 'c', 'late'])
  for (let i = 0; i < 5; i++) await nextTurn()
  ask('alone')
  await Promise.resolve()
  t.equal(served.at(-1), 'alone', 'served at once')
})

t.test('a loop of turns lets timers and sockets run', async (t) => {
  const turns = makeTurns(2)
  let isOver = false
  setTimeout(() => {
    isOver = true
  }, 1)
  let count = 0
  for (; !isOver && count < 1_000_000; count++) await turns()
  t.equal(isOver, true, `after ${count} turns`)
})

t.test('work of one key runs in order, one at a time; other keys do not wait', async (t) => {
  const withLock = makeLocks()
  const events: string[] = []
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const work = (name: string, wait: Promise<unknown>) => async () => {
    events.push(`${name} begins`)
    await wait
    events.push(`${name} ends`)
    return name
  }
  const all = [
    withLock('a', work('a1', gate)),
    withLock('a', work('a2', nextTurn())),
    withLock('b', work('b1', Promise.resolve())),
  ]
  await nextTurn()
  t.same(events, ['a1 begins', 'b1 begins', 'b1 ends'])
  open()
  t.same(await Promise.all(all), ['a1', 'a2', 'b1'])
  t.same(events.slice(3), ['a1 ends', 'a2 begins', 'a2 ends'])
})

t.test('work that fails rejects its own caller and lets the next run', async (t) => {
  const withLock = makeLocks()
  const failed = withLock('a', () => Promise.reject(new Error('no')))
  const next = withLock('a', async () => 'yes')
  await t.rejects(failed, { message: 'no' })
  t.equal(await next, 'yes')
  t.equal(await withLock('a', async () => 'again'), 'again')
})
