// The plan of a chaos run: the same for the same seed, and one that a cluster can survive.

import t from 'tap'
import { makePlan } from './cluster/plan.ts'

const runMs = 120_000
const seeds = Array.from({ length: 200 }, (_, index) => index)

t.test('a seed gives the same faults again, and another seed others', async (t) => {
  t.same(makePlan(7, runMs), makePlan(7, runMs))
  t.notSame(makePlan(7, runMs), makePlan(8, runMs))
})

t.test('a run of two minutes has every kind of fault, and ends in time', async (t) => {
  for (const seed of seeds) {
    const plan = makePlan(seed, runMs)
    const kinds = new Set(plan.map(({ kind }) => kind))
    const last = Math.max(...plan.map(({ atMs, forMs }) => atMs + forMs))
    if (kinds.size !== 12 || last > runMs) t.fail(`seed ${seed}: ${[...kinds]}, ${last} ms`)
  }
  t.pass('with each of 200 seeds')
})

t.test('nothing has two faults at a time, and one broker has none', async (t) => {
  for (const seed of seeds) {
    const plan = makePlan(seed, runMs)
    for (const { atMs } of plan) {
      const now = plan.filter((it) => it.atMs <= atMs && atMs <= it.atMs + it.forMs)
      const targets = now.map(({ target }) => target)
      const brokers = targets.filter((target) => target.startsWith('broker'))
      if (new Set(targets).size < targets.length || brokers.length > 2) {
        t.fail(`seed ${seed} at ${atMs} ms: ${targets}`)
      }
    }
  }
  t.pass('with each of 200 seeds')
})
