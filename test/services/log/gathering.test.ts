// How long a commit waits for company.

import { mock } from 'node:test'
import t from 'tap'
import { type Gathering, makeGathering } from '../../../services/log/gathering.ts'

t.beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'] }))
t.afterEach(() => mock.timers.reset())

/** One of a busy server, which looks every 2 ms whether messages still come. */
const busy = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]

/** Waits with the rule; each millisecond, so many come as `arrivals` says. The oldest message has
 * waited for `waitedMs`. Resolves with how long the wait was, ms. */
async function waitWith(
  gathering: Gathering,
  { first = 1, waitedMs = 0 },
  arrivals: readonly number[],
): Promise<number> {
  let waiting = first
  let isDone = false
  void gathering
    .wait(() => waiting, Date.now() - waitedMs)
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

/** Many commits that take that long. */
async function commitFor(gathering: Gathering, ms: number): Promise<void> {
  for (let commit = 0; commit < 50; commit++) {
    await gathering.wait(() => 32, Date.now())
    mock.timers.tick(ms)
    gathering.committed()
  }
}

t.test(
  'a commit waits while messages keep coming, until its oldest is about to be late',
  async (t) => {
    t.equal(await waitWith(makeGathering(10, Date.now), {}, busy), 10)
    t.equal(await waitWith(makeGathering(10, Date.now), {}, [1, 0, 0, 1, 0, 0, 1]), 6)
    t.equal(await waitWith(makeGathering(10, Date.now), { waitedMs: 7 }, busy), 3)
    t.equal(await waitWith(makeGathering(10, Date.now), { waitedMs: 12 }, busy), 2)
  },
)

t.test('what a commit is expected to take is not waited for', async (t) => {
  const gathering = makeGathering(10, Date.now)
  await commitFor(gathering, 6)
  t.equal(await waitWith(gathering, {}, busy), 4)
  await commitFor(gathering, 20)
  t.equal(await waitWith(gathering, {}, busy), 2, 'messages gather while a slow disk writes')
})

t.test('a commit that has enough messages does not wait, or no longer', async (t) => {
  t.equal(await waitWith(makeGathering(10, Date.now), { first: 32 }, [1]), 0)
  t.equal(await waitWith(makeGathering(10, Date.now), {}, [40, 1, 1]), 2)
})

t.test('a time of 0 never waits', async (t) => {
  t.equal(await waitWith(makeGathering(0, Date.now), {}, [1, 1]), 0)
})

t.test('after waits in vain, more and more commits do not wait', async (t) => {
  const gathering = makeGathering(10, Date.now)
  const waits: number[] = []
  for (let i = 0; i < 13; i++) waits.push(await waitWith(gathering, {}, []))
  t.strictSame(waits, [2, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0])
})

t.test('a wait in which messages came makes the next commit wait again', async (t) => {
  const gathering = makeGathering(10, Date.now)
  await waitWith(gathering, {}, [])
  t.equal(await waitWith(gathering, {}, []), 0)
  t.equal(await waitWith(gathering, {}, [1, 0]), 4)
  t.equal(await waitWith(gathering, {}, [1, 0]), 4)
})
