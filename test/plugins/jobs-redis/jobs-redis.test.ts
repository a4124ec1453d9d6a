// Jobs on a real Redis: the contract, and what several processes and outages do to it.

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import t from 'tap'
import { makeRedisJobs } from '../../../plugins/jobs-redis/jobs-redis.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import type { JobQueue } from '../../../services/jobs/ports.ts'
import { testJobQueue } from '../../contract/job-queue.ts'
import { skipWithout } from '../../support/programs.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const leaseMs = 1000
const skip = skipWithout('redis-server')

async function open(t: Test, url: string): Promise<JobQueue> {
  const redis = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
  redis.on('error', () => {})
  await until('Redis is there', () => redis.status === 'ready')
  const queue = makeRedisJobs({ redis, clock: Date.now, logger: silent }, { leaseMs })
  t.teardown(async () => {
    await queue.close()
    redis.disconnect()
  })
  return queue
}

/** Another process that does jobs; `runs` are the payloads it has begun. */
function startWorker(t: Test, url: string) {
  const file = fileURLToPath(new URL('./worker.js', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, [file, url, `${leaseMs}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const runs: unknown[] = []
  if (child.stdout === null) throw new Error('no output')
  createInterface(child.stdout).on('line', (line) => {
    runs.push(JSON.parse(line.slice(line.indexOf(' ') + 1)))
  })
  return { runs, kill: () => child.kill('SIGKILL') }
}

const job = (payload: string | number, more: { readonly key?: string } = {}) => ({
  kind: 'mail',
  payload,
  runAt: Date.now(),
  ...more,
})

t.test('the contract', { skip }, async (t) => {
  const server = await startRedis(t)
  await testJobQueue(t, async (t) => {
    const flush = new Redis(server.url)
    await flush.flushall()
    flush.disconnect()
    return open(t, server.url)
  })
})

t.test('processes share the work, and do the jobs of one that is killed', { skip }, async (t) => {
  const server = await startRedis(t)
  const queue = await open(t, server.url)
  const first = startWorker(t, server.url)
  const second = startWorker(t, server.url)
  for (let n = 0; n < 200; n++) await queue.add(job(n))
  await until('all ran', () => first.runs.length + second.runs.length >= 200, 30_000)
  t.equal(new Set([...first.runs, ...second.runs]).size, 200)
  t.ok(first.runs.length > 20 && second.runs.length > 20, 'both did a good part')
  second.kill()
  await queue.add(job('hang', { key: 'k' }))
  await until('it runs', () => first.runs.includes('hang'), 30_000)
  const third = startWorker(t, server.url)
  first.kill()
  await until('it runs elsewhere', () => third.runs.includes('hang'), 30_000)
  t.same(await queue.dead('mail', 1), [])
})

t.test(
  'while Redis is away adding fails soon, and the work goes on when it is back',
  { skip },
  async (t) => {
    const server = await startRedis(t, { appendOnly: true })
    const queue = await open(t, server.url)
    const seen: unknown[] = []
    queue.handle('mail', async (payload) => void seen.push(payload), {
      concurrency: 2,
      timeoutMs: 5000,
    })
    await queue.add(job(1))
    await until('one ran', () => seen.length === 1)
    server.pause()
    const begin = Date.now()
    await t.rejects(queue.add(job('stopped')), StoreFailure)
    t.ok(Date.now() - begin < 4000, 'a Redis that hangs is not waited for')
    server.resume()
    await server.kill()
    await until('that is noticed', () =>
      queue.add(job('killed')).then(
        () => false,
        (error: unknown) => error instanceof StoreFailure,
      ),
    )
    await server.restart()
    await until(
      'adding works again',
      () =>
        queue.add(job('back')).then(
          () => true,
          () => false,
        ),
      20_000,
    )
    await until('the work goes on', () => seen.includes('back'), 20_000)
  },
)

t.test('closing while Redis is away ends within a bound', { skip }, async (t) => {
  const server = await startRedis(t)
  const queue = await open(t, server.url)
  let isRunning = false
  queue.handle(
    'mail',
    () => {
      isRunning = true
      return new Promise(() => {})
    },
    { concurrency: 1, timeoutMs: 60_000 },
  )
  await queue.add(job(1))
  await until('it runs', () => isRunning)
  await server.kill()
  await until('that is noticed', () =>
    queue.add(job(2)).then(
      () => false,
      () => true,
    ),
  )
  const begin = Date.now()
  await queue.close()
  t.ok(Date.now() - begin < 12_000)
})
