// Work that is repeated: by one of all processes at a time, and whatever happens to the queue.

import t from 'tap'
import type { JobHandler, JobQueue, NewJob } from '../../../services/jobs/ports.ts'
import { hastenRepeat, startRepeat } from '../../../services/jobs/repeat.ts'
import { openStore } from '../../plugins/store-sqlite/engines.ts'
import { until } from '../../support/until.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

t.test('several that repeat the same work do it one at a time, again and again', async (t) => {
  const { jobs } = await openStore(t)
  // Two processes of one queue: what they handle is one line of jobs, as in a cluster.
  const handlers: JobHandler[] = []
  const shared: Pick<JobQueue, 'add' | 'handle'> = {
    add: jobs.add,
    handle(kind, handler, options) {
      handlers.push(handler)
      let turn = 0
      const next: JobHandler = (payload, attempt) =>
        handlers[turn++ % handlers.length]?.(payload, attempt) ?? Promise.resolve()
      return handlers.length === 1 ? jobs.handle(kind, next, { ...options, concurrency: 4 }) : stop
    },
  }
  const stop = async () => {}
  const parts = { jobs: shared, clock: Date.now, logger: silent }
  const options = { kind: 'sweep', everyMs: 50, timeoutMs: 1000 }
  let running = 0
  let most = 0
  const done = [0, 0]
  const work = (index: number) => async () => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setTimeout(resolve, 10))
    running--
    done[index] = (done[index] ?? 0) + 1
    if (done[index] === 2) throw new Error('once in a while')
  }
  const repeats = [0, 1].map((index) => startRepeat(parts, options, work(index)))
  await until('both did it several times', () => done.every((times) => times > 3))
  t.equal(most, 1)
  await Promise.all(repeats.map((repeat) => repeat.close()))
  const before = done.join()
  t.equal(running, 0)
  await jobs.add({ kind: 'sweep', payload: null, runAt: 0 })
  t.equal(done.join(), before)
})

t.test('it can be hastened', async (t) => {
  const { jobs } = await openStore(t)
  let done = 0
  const parts = { jobs, clock: Date.now, logger: silent }
  const repeat = startRepeat(
    parts,
    { kind: 'sweep', everyMs: 3_600_000, timeoutMs: 1000 },
    async () => void done++,
  )
  await until('it is planned', async () => (await jobs.counts())[0]?.waiting === 1)
  t.equal(done, 0)
  hastenRepeat(parts, 'sweep')
  await until('it was done', () => done === 1)
  await until('it is planned again', async () => (await jobs.counts())[0]?.waiting === 1)
  hastenRepeat(parts, 'sweep')
  await until('it was done again', () => done === 2)
  await repeat.close()
})

t.test('a queue that lost it is given it again', async (t) => {
  const { jobs } = await openStore(t)
  let done = 0
  const added: NewJob[] = []
  const forgetful = {
    ...jobs,
    add: async (job: NewJob) => {
      added.push(job)
      if (added.length > 3) await jobs.add(job)
    },
  }
  const repeat = startRepeat(
    { jobs: forgetful, clock: Date.now, logger: silent },
    { kind: 'sweep', everyMs: 30, timeoutMs: 1000 },
    async () => void done++,
  )
  await until('it was done', () => done > 1)
  await repeat.close()
})
