// Jobs in SQLite: what a killed process leaves, and that nobody looks for jobs in vain.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import t from 'tap'
import { connect, loadDriver } from '../../../plugins/store-sqlite/connect.ts'
import { makeJobQueue } from '../../../plugins/store-sqlite/job-queue.ts'
import { makeReads } from '../../../plugins/store-sqlite/operations.ts'
import { migrate } from '../../../plugins/store-sqlite/schema.ts'
import { makeInlineWriter } from '../../../plugins/store-sqlite/writer.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import { crashesMax, deadMax } from '../../../services/jobs/limits.ts'
import { until } from '../../support/until.ts'
import { openStore } from './engines.ts'

const options = { concurrency: 2, timeoutMs: 5000 }

t.test('a job whose process is killed runs again, until it has killed too many', async (t) => {
  const folder = t.testdir()
  const file = fileURLToPath(new URL('./jobs-child.js', import.meta.url))
  for (let crash = 1; crash <= crashesMax; crash++) {
    const child = spawn(process.execPath, [file, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const { jobs } = await openStore(t, { folder })
  t.match(await jobs.counts(), [{ kind: 'mail', waiting: 0, running: 0, dead: 1 }])
  t.match(await jobs.dead('mail', 1), [{ payload: 'x', reason: /killed/ }])
  await jobs.add({ kind: 'mail', payload: 'y', runAt: 0, key: 'k' })
  t.match(await jobs.counts(), [{ waiting: 1 }], 'its key is free')
})

async function countedQueue(t: Test, clock = Date.now) {
  const open = await loadDriver()
  const driver = connect(open, join(t.testdir(), 'parley.db'), { pagesMax: undefined })
  migrate(driver)
  const writer = makeInlineWriter(driver)
  const reads = makeReads(driver)
  const calls: string[] = []
  let isBroken = false
  const queue = makeJobQueue({
    write: (name, ...args) => {
      calls.push(name)
      if (isBroken) return Promise.reject(new StoreFailure('disk full'))
      return writer.run(name, ...args)
    },
    read: async (work) => work(reads),
    clock,
  })
  t.teardown(async () => {
    await queue.close()
    await writer.close()
  })
  const fail = (broken: boolean) => {
    isBroken = broken
  }
  return { queue, fail, takes: () => calls.filter((name) => name === 'takeJobs').length }
}

t.test('nobody looks before a job is due', async (t) => {
  const { queue, takes } = await countedQueue(t)
  let ran = 0
  const handler = async () => void ran++
  await queue.add({ kind: 'mail', payload: 1, runAt: Date.now() + 500 })
  queue.handle('mail', handler, options)
  await until('it ran', () => ran === 1)
  await until('it ended', async () => (await queue.counts()).length === 0)
  t.ok(takes() <= 4, `${takes()} looks`)
  const before = takes()
  await queue.add({ kind: 'push', payload: 1, runAt: 0 })
  t.equal(takes(), before, 'nor for what nobody here does')
})

t.test('what ended while the store failed is stored when it works again', async (t) => {
  const { queue, fail } = await countedQueue(t)
  let ran = 0
  queue.handle(
    'mail',
    async () => {
      ran++
      fail(true)
    },
    options,
  )
  await queue.add({ kind: 'mail', payload: 1, runAt: 0, key: 'k' })
  await until('it ran', () => ran === 1)
  await t.rejects(queue.add({ kind: 'mail', payload: 2, runAt: 0 }), StoreFailure)
  fail(false)
  await until('it is gone', async () => (await queue.counts()).length === 0)
  t.equal(ran, 1)
})

t.test('of dead jobs the newest are kept, for a week', async (t) => {
  let now = Date.now()
  const { queue } = await countedQueue(t, () => now)
  const handler = async (payload: unknown) => {
    throw new Error(`no ${String(payload)}`)
  }
  queue.handle('mail', handler, { concurrency: 50, timeoutMs: 5000 })
  for (let n = 0; n < deadMax + 5; n++) {
    await queue.add({ kind: 'mail', payload: n, runAt: 0, attemptsMax: 1 })
  }
  const counted = async () => (await queue.counts())[0]
  await until('all failed', async () => {
    const count = await counted()
    return count?.waiting === 0 && count.running === 0
  })
  t.equal((await counted())?.dead, deadMax)
  now += 8 * 86_400_000
  await queue.add({ kind: 'mail', payload: 'last', runAt: 0, attemptsMax: 1 })
  await until('it failed', async () => (await queue.dead('mail', 1))[0]?.payload === 'last')
  t.equal((await counted())?.dead, 1)
})
