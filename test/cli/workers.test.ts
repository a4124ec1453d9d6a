// The processes of one machine are kept running, over small programs in their place.

import { type ChildProcess, fork } from 'node:child_process'
import t, { type Test } from 'tap'
import { makeWorkers, type WorkersOptions } from '../../cli/workers.ts'
import { until } from '../support/until.ts'

const program = new URL('./support/worker-program.js', import.meta.url)

function setUp(t: Test, options: Partial<WorkersOptions> = {}, mode = (_index: number) => 'good') {
  const forked: { readonly child: ChildProcess; readonly at: number }[] = []
  const warnings: { readonly restartMs?: number }[] = []
  const heard: object[] = []
  const ended: unknown[] = []
  const workers = makeWorkers(
    {
      fork() {
        // Without what the test runner loads into each process, which takes a second.
        const child = fork(program, [mode(forked.length)], { execArgv: [], env: {} })
        t.teardown(() => void child.kill('SIGKILL'))
        forked.push({ child, at: Date.now() })
        return child
      },
      logger: { debug() {}, info() {}, error() {}, warn: (it) => void warnings.push(it) },
    },
    { count: 3, pauseMs: 20, pauseMsMax: 100, stableMs: 60_000, ...options },
    { heard: (_, message) => void heard.push(message), ended: (it) => void ended.push(it) },
  )
  // Also where a test fails: those that end would be started again for ever.
  t.teardown(async () => void (await workers.stop(1000)))
  return { workers, forked, warnings, heard, ended }
}

t.test('so many are started, and stopped', async (t) => {
  const { workers, forked, ended } = setUp(t)
  t.match(await workers.start(), { type: 'ready', pid: forked[0]?.child.pid })
  t.equal(workers.ready().length, 3)
  t.equal(await workers.stop(10_000), true)
  t.same([forked.length, ended.length, workers.ready().length], [3, 3, 0])
})

t.test('when the first cannot start, no other is', async (t) => {
  const { workers, forked } = setUp(t, {}, () => 'fails')
  t.equal(await workers.start(), undefined)
  t.equal(forked.length, 1)
})

t.test('one that ends is started again, ever more slowly', async (t) => {
  const { workers, forked, warnings } = setUp(t, {}, (index) => (index < 3 ? 'good' : 'fails'))
  await workers.start()
  forked[1]?.child.kill('SIGKILL')
  await until('six more', () => forked.length >= 9, 30_000)
  await workers.stop(10_000)
  t.same(warnings.map(({ restartMs }) => restartMs).slice(0, 6), [20, 40, 80, 100, 100, 100])
  const pauses = forked.slice(5, 9).map(({ at }, index) => at - (forked[index + 4]?.at ?? 0))
  t.ok(
    pauses.every((ms) => ms >= 75),
    `pauses of ${pauses}`,
  )
  const count = forked.length
  await new Promise((resolve) => setTimeout(resolve, 150))
  t.equal(forked.length, count, 'none after the stop')
})

t.test('one that has lived long begins with the first pause again', async (t) => {
  const { workers, forked, warnings } = setUp(t, { count: 2, stableMs: 0 })
  await workers.start()
  for (const count of [3, 4, 5]) {
    forked.at(-1)?.child.send({ exit: 1 })
    await until('another one', () => forked.length === count && workers.ready().length === 2)
  }
  t.same(
    warnings.map(({ restartMs }) => restartMs),
    [20, 20, 20],
  )
  t.equal(await workers.stop(10_000), true)
})

t.test('a signal reaches all', async (t) => {
  const { workers, heard } = setUp(t)
  await workers.start()
  workers.signal('SIGHUP')
  await until(
    'three answers',
    () => heard.filter((it) => 'type' in it && it.type === 'hup').length === 3,
  )
  await workers.stop(10_000)
})

t.test('one that does not stop is killed, and said not to have ended well', async (t) => {
  const { workers, ended } = setUp(t, {}, (index) => (index === 1 ? 'stubborn' : 'good'))
  await workers.start()
  t.equal(await workers.stop(300), false)
  t.equal(ended.length, 3)
})
