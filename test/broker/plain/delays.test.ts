// Work that waits for its time.

import { mock } from 'node:test'
import t from 'tap'
import { makeDelays } from '../../../broker/plain/delays.ts'

t.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
t.afterEach(() => mock.timers.reset())

t.test('work is done in its time, once, unless it was called off or replaced', async (t) => {
  const delays = makeDelays(10)
  const done: string[] = []
  const set = (key: string, ms: number, name = key) => delays.set(key, ms, () => done.push(name))
  set('a', 1000)
  set('b', 1000)
  set('c', 1000)
  set('c', 2000, 'other')
  delays.cancel('b')
  delays.cancel('nothing')
  mock.timers.tick(999)
  t.same(done, [])
  mock.timers.tick(1)
  t.same(done, ['a'])
  delays.hasten('c')
  delays.hasten('c')
  delays.hasten('a')
  mock.timers.tick(5000)
  t.same(done, ['a', 'other'])
  set('d', 1)
  delays.close()
  mock.timers.tick(1)
  t.equal(done.length, 2)
})

t.test('a delay may be longer than a timer takes', async (t) => {
  const delays = makeDelays(10)
  let done = 0
  const days = 86_400_000
  delays.set('a', 60 * days, () => done++)
  for (let day = 0; day < 60; day++) {
    t.equal(done, 0)
    mock.timers.tick(days)
  }
  mock.timers.tick(2 * days)
  t.equal(done, 1)
})

t.test('what finds no room is done at once', async (t) => {
  const delays = makeDelays(1)
  const done: string[] = []
  for (const key of ['a', 'b']) delays.set(key, 1000, () => done.push(key))
  t.same(done, ['b'])
  mock.timers.tick(1000)
  t.same(done, ['b', 'a'])
})
