// How long a commit waits for company.

import { mock } from 'node:test'
import t from 'tap'
import { makeGathering } from '../../../services/log/gathering.ts'

t.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
t.afterEach(() => mock.timers.reset())

/** Waits with the rule; each millisecond, so many come as `arrivals` says. Resolves with how long
 * the wait was, ms. */
async function waitWith(
  gathering: ReturnType<typeof makeGathering>,
  first: number,
  arrivals: readonly number[],
): Promise<number> {
  let waiting = first
  let isDone = false
  void gathering
    .wait(() => waiting)
    .then(() => {
      isDone = true
    })
  for (let ms = 0; ; ms++) {
    await new Promise((resolve) => setImmediate(resolve))
    if (isDone) return ms
    waiting += arrivals[ms] ?? 0
    mock.timers.tick(1)
  }
}

t.test('a commit waits while messages keep coming, until the longest wait', async (t) => {
  t.equal(await waitWith(makeGathering(4), 1, [1, 1, 1, 1, 1, 1]), 4)
  t.equal(await waitWith(makeGathering(4), 1, [1, 1, 0, 1, 1]), 3)
})

t.test('a commit that has enough messages does not wait, or no longer', async (t) => {
  t.equal(await waitWith(makeGathering(4), 32, [1]), 0)
  t.equal(await waitWith(makeGathering(4), 1, [40, 1, 1]), 1)
})

t.test('a longest wait of 0 never waits', async (t) => {
  t.equal(await waitWith(makeGathering(0), 1, [1, 1]), 0)
})

t.test('after waits in vain, more and more commits do not wait', async (t) => {
  const gathering = makeGathering(4)
  const waits: number[] = []
  for (let i = 0; i < 13; i++) waits.push(await waitWith(gathering, 1, []))
  t.strictSame(waits, [1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
})

t.test('a wait in which messages came makes the next commit wait again', async (t) => {
  const gathering = makeGathering(4)
  await waitWith(gathering, 1, [])
  t.equal(await waitWith(gathering, 1, []), 0)
  t.equal(await waitWith(gathering, 1, [1, 0]), 2)
  t.equal(await waitWith(gathering, 1, [1, 0]), 2)
})
