// What is never announced is found by the repair, on its slow timer.

import { mock } from 'node:test'
import t from 'tap'
import { deliveredTo, makeWorld, settle } from './support/devices.ts'

t.beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }))
t.afterEach(() => mock.timers.reset())

t.test('an entry nobody announced reaches its devices with the next repair', async (t) => {
  const { memory, connect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  memory.append(town)
  await settle()
  t.same(link.seqs(), [])
  mock.timers.tick(5000)
  await settle()
  t.same(link.seqs(), [1])
  mock.timers.tick(5000)
  await settle()
  t.same(link.seqs(), [1], 'once')
  t.equal(memory.calls.get('read'), 1, 'the log is not read without need')
})

t.test('of many conversations each has its turn', async (t) => {
  const { memory, connect } = makeWorld(t, { windowEntriesMax: 1024, windowBytesMax: 1_000_000 })
  const groups = Array.from({ length: 700 }, (_, index) => memory.group(`g${index}`, 'bob'))
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  for (const group of groups) memory.append(group)
  mock.timers.tick(5000)
  await deliveredTo(link, 500)
  t.equal(link.delivered.length, 500, 'not all in one round')
  mock.timers.tick(5000)
  await deliveredTo(link, 700)
})

t.test('a store that fails is asked again in the next round', async (t) => {
  const { memory, connect } = makeWorld(t)
  const town = memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  memory.append(town)
  memory.failures.set('heads', 1)
  mock.timers.tick(5000)
  await settle()
  t.same(link.seqs(), [])
  // The round after the one that failed begins with the rooms that follow; then all over again.
  for (let round = 0; round < 2; round++) {
    mock.timers.tick(5000)
    await settle()
  }
  t.same(link.seqs(), [1])
})
