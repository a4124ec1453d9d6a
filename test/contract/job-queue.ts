// The contract of JobQueue (services/jobs/ports.ts), for every engine.

import type { Test } from 'tap'
import type { JobQueue, Json, NewJob } from '../../services/jobs/ports.ts'
import { until } from '../support/until.ts'

/** Makes an empty queue, closed when the test ends. */
export type MakeQueue = (t: Test) => Promise<JobQueue>

const options = { concurrency: 4, timeoutMs: 5000 }
const now = (payload: Json, more: Partial<NewJob> = {}): NewJob => ({
  kind: 'mail',
  payload,
  runAt: Date.now(),
  ...more,
})
const ignore = async () => {}
const waitingOf = async (queue: JobQueue) =>
  (await queue.counts()).map(({ waiting }) => waiting).reduce((sum, one) => sum + one, 0)

/** Collects what a handler is given. */
function collector() {
  const seen: Json[] = []
  return { seen, handler: async (payload: Json) => void seen.push(payload) }
}

/** A handler whose runs end when the test says so. */
function gated() {
  const seen: Json[] = []
  const opened: (() => void)[] = []
  const handler = (payload: Json) => {
    seen.push(payload)
    return new Promise<void>((resolve) => opened.push(resolve))
  }
  return { seen, handler, open: () => opened.shift()?.() }
}

/** Tests every sentence of the port's documentation that one process can show. */
export async function testJobQueue(t: Test, makeQueue: MakeQueue): Promise<void> {
  await testRuns(t, makeQueue)
  await testFailures(t, makeQueue)
  await testKeys(t, makeQueue)
  await testStops(t, makeQueue)
}

async function testRuns(t: Test, makeQueue: MakeQueue): Promise<void> {
  await t.test('a job runs once, whatever its payload, and is gone', async (t) => {
    const queue = await makeQueue(t)
    const payloads = [null, 'ü🜚', 0, [1, { a: [] }], { 'a:b': { c: false } }]
    for (const payload of payloads) await queue.add(now(payload))
    const { seen, handler } = collector()
    queue.handle('mail', handler, options)
    await until('all ran', () => seen.length === payloads.length)
    const texts = (list: readonly Json[]) => list.map((one) => JSON.stringify(one)).toSorted()
    t.same(texts(seen), texts(payloads))
    await until('none is left', async () => {
      const [count] = await queue.counts()
      return count === undefined || count.waiting + count.running + count.dead === 0
    })
    await queue.add(now('later'))
    await until('one that came later ran', () => seen.at(-1) === 'later')
  })

  await t.test('a job does not run before its time, and then soon', async (t) => {
    const queue = await makeQueue(t)
    const runs: [Json, number][] = []
    queue.handle('mail', async (payload) => void runs.push([payload, Date.now()]), options)
    const start = Date.now()
    await queue.add(now('second', { runAt: start + 600 }))
    await queue.add(now('first', { runAt: start + 200 }))
    await until('both ran', () => runs.length === 2)
    t.same(
      runs.map(([payload]) => payload),
      ['first', 'second'],
    )
    t.ok((runs[0]?.[1] ?? 0) >= start + 195)
    t.ok((runs[1]?.[1] ?? 0) >= start + 595)
    t.ok((runs[1]?.[1] ?? 0) < start + 3000)
  })

  await t.test('no more of a kind run at a time than its handler allows', async (t) => {
    const queue = await makeQueue(t)
    const { seen, handler, open } = gated()
    queue.handle('mail', handler, { ...options, concurrency: 2 })
    const other = collector()
    queue.handle('push', other.handler, options)
    for (let n = 0; n < 5; n++) await queue.add(now(n))
    await queue.add(now('other', { kind: 'push' }))
    await until('two run', () => seen.length === 2)
    await until('another kind is not held up', () => other.seen.length === 1)
    const counts = (await queue.counts()).find(({ kind }) => kind === 'mail')
    t.match(counts, { kind: 'mail', waiting: 3, running: 2, dead: 0 })
    for (let ended = 1; ended <= 5; ended++) {
      open()
      await until('the next one runs', () => seen.length === Math.min(5, 2 + ended))
    }
  })

  await t.test('a payload that is too large is refused', async (t) => {
    const queue = await makeQueue(t)
    await t.rejects(queue.add(now('x'.repeat(65_535))), RangeError)
    await queue.add(now('x'.repeat(65_534)))
  })
}

async function testFailures(t: Test, makeQueue: MakeQueue): Promise<void> {
  await t.test('a job that fails is tried again, later', async (t) => {
    const queue = await makeQueue(t)
    const attempts: [number, number][] = []
    const handler = async (_: Json, { attempt }: { readonly attempt: number }) => {
      attempts.push([attempt, Date.now()])
      if (attempt < 2) throw new Error('not yet')
    }
    queue.handle('mail', handler, options)
    await queue.add(now('x', { attemptsMax: 3 }))
    await until('it ran twice', () => attempts.length === 2)
    t.same(
      attempts.map(([attempt]) => attempt),
      [1, 2],
    )
    const waited = (attempts[1]?.[1] ?? 0) - (attempts[0]?.[1] ?? 0)
    t.ok(waited >= 480 && waited < 3000, `after ${waited} ms`)
    await until('it is gone', async () => (await waitingOf(queue)) === 0)
    t.same(await queue.dead('mail', 10), [])
  })

  await t.test('a job whose attempts all failed is dead, and can be looked at', async (t) => {
    const queue = await makeQueue(t)
    queue.handle(
      'mail',
      async (payload) => {
        throw new Error(`no ${String(payload)}`)
      },
      options,
    )
    const start = Date.now()
    await queue.add(now('a', { attemptsMax: 1 }))
    await until('a is dead', async () => (await queue.dead('mail', 10)).length === 1)
    await queue.add(now('b', { attemptsMax: 1 }))
    await until('b is dead', async () => (await queue.dead('mail', 10)).length === 2)
    const dead = await queue.dead('mail', 10)
    t.match(dead, [
      { kind: 'mail', payload: 'b', reason: 'no b' },
      { kind: 'mail', payload: 'a', reason: 'no a' },
    ])
    t.ok(dead.every(({ at }) => at >= start - 1 && at <= Date.now() + 1))
    t.equal((await queue.dead('mail', 1)).length, 1)
    t.same(await queue.dead('push', 10), [])
    t.match((await queue.counts())[0], { waiting: 0, running: 0, dead: 2 })
  })

  await t.test('a handler that takes too long has failed, and is told', async (t) => {
    const queue = await makeQueue(t)
    let signal: AbortSignal | undefined
    queue.handle(
      'mail',
      (_, attempt) => {
        signal = attempt.signal
        return new Promise(() => {})
      },
      { concurrency: 1, timeoutMs: 100 },
    )
    await queue.add(now('x', { attemptsMax: 1 }))
    await until('it is dead', async () => (await queue.dead('mail', 1)).length === 1)
    t.match(await queue.dead('mail', 1), [{ reason: /100 ms/ }])
    t.equal(signal?.aborted, true)
  })
}

async function testKeys(t: Test, makeQueue: MakeQueue): Promise<void> {
  const later = (payload: Json, more: Partial<NewJob> = {}) =>
    now(payload, { key: 'k:1', runAt: Date.now() + 60_000, ...more })

  await t.test('one job waits under a key, the first', async (t) => {
    const queue = await makeQueue(t)
    const { seen, handler } = collector()
    await queue.add(now('first', { key: 'k:1' }))
    await queue.add(now('second', { key: 'k:1' }))
    await queue.add(now('other key', { key: 'k:2' }))
    await queue.add(now('other kind', { kind: 'push', key: 'k:1' }))
    t.equal(await waitingOf(queue), 3)
    queue.handle('mail', handler, options)
    await until('both ran', () => seen.length === 2)
    t.same(seen.toSorted(), ['first', 'other key'])
    await until('they ended', async () => (await waitingOf(queue)) === 1)
    await queue.add(now('third', { key: 'k:1' }))
    await until('the key is free again', () => seen.at(-1) === 'third')
  })

  await t.test('one that waits for its time gives way to one that replaces it', async (t) => {
    const queue = await makeQueue(t)
    const { seen, handler } = collector()
    queue.handle('mail', handler, options)
    await queue.add(later('old'))
    await queue.add(later('kept'))
    await queue.add(now('new', { key: 'k:1', replaces: true }))
    await until('the new one ran', () => seen.length > 0)
    t.same(seen, ['new'])
    await until('none is left', async () => (await waitingOf(queue)) === 0)
  })

  await t.test('of one key one runs at a time, and one that came meanwhile after it', async (t) => {
    const queue = await makeQueue(t)
    const { seen, handler, open } = gated()
    queue.handle('mail', handler, options)
    await queue.add(now('first', { key: 'k:1' }))
    await until('it runs', () => seen.length === 1)
    await queue.add(now('second', { key: 'k:1' }))
    await queue.add(now('by itself'))
    await until('the one without key runs', () => seen.length === 2)
    t.same(seen, ['first', 'by itself'])
    open()
    open()
    await until('the second runs', () => seen.length === 3)
    t.equal(seen[2], 'second')
    open()
  })

  await t.test('what waits under a key can be taken back', async (t) => {
    const queue = await makeQueue(t)
    const { seen, handler, open } = gated()
    queue.handle('mail', handler, options)
    t.equal(await queue.cancel('mail', 'k:1'), false)
    await queue.add(later('never'))
    t.equal(await queue.cancel('push', 'k:1'), false)
    t.equal(await queue.cancel('mail', 'k:1'), true)
    t.equal(await queue.cancel('mail', 'k:1'), false)
    t.equal(await waitingOf(queue), 0)
    await queue.add(now('runs', { key: 'k:1' }))
    await until('it runs', () => seen.length === 1)
    t.equal(await queue.cancel('mail', 'k:1'), false, 'one that runs goes on')
    await queue.add(now('never', { key: 'k:1' }))
    t.equal(await queue.cancel('mail', 'k:1'), true, 'one that waits for it does not')
    open()
    await queue.add(now('last'))
    await until('the last one runs', () => seen.includes('last'))
    t.same(seen, ['runs', 'last'])
    open()
  })
}

async function testStops(t: Test, makeQueue: MakeQueue): Promise<void> {
  await t.test('stopping waits for what runs, and takes nothing more', async (t) => {
    const queue = await makeQueue(t)
    const { seen, handler, open } = gated()
    const stop = queue.handle('mail', handler, { ...options, concurrency: 1 })
    await queue.add(now(1))
    await until('one runs', () => seen.length === 1)
    await queue.add(now(2))
    const stopped = stop()
    open()
    await stopped
    t.same(seen, [1])
    t.equal(await waitingOf(queue), 1)
    const again = collector()
    queue.handle('mail', again.handler, options)
    await until('the other one ran when it is handled again', () => again.seen.length === 1)
    t.same(again.seen, [2])
  })

  await t.test(
    'what does not end in time is given back, and its attempt not counted',
    async (t) => {
      const queue = await makeQueue(t)
      let given: AbortSignal | undefined
      const stop = queue.handle(
        'mail',
        (_, { signal }) => {
          given = signal
          return new Promise(() => {})
        },
        { concurrency: 1, timeoutMs: 60_000 },
      )
      await queue.add(now('stuck', { attemptsMax: 1 }))
      await until('it runs', () => given !== undefined)
      await stop()
      t.equal(given?.aborted, true)
      const attempts: number[] = []
      queue.handle('mail', async (_, { attempt }) => void attempts.push(attempt), options)
      await until('it runs again', () => attempts.length === 1)
      t.same(attempts, [1])
    },
  )

  await t.test('after close every call rejects', async (t) => {
    const queue = await makeQueue(t)
    queue.handle('mail', ignore, options)
    await queue.close()
    await t.rejects(queue.add(now('x')))
    await t.rejects(queue.cancel('mail', 'k'))
    await t.rejects(queue.dead('mail', 1))
    t.throws(() => queue.handle('push', ignore, options))
  })
}
