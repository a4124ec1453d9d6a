// The end of devices that stay away, looked for by one process of all.

import { mock } from 'node:test'
import t from 'tap'
import { startExpiry } from '../../../services/delivery/expiry.ts'
import { makeLastSeen } from '../../../services/delivery/last-seen.ts'
import type { DeviceName } from '../../../services/delivery/ports.ts'
import type { JobHandler, NewJob } from '../../../services/jobs/ports.ts'
import { makeQuietLogger, settle } from './support/devices.ts'

const hour = 3_600_000
const phone = { user: 'bob', device: 'phone' }

/** A queue whose jobs run when the test says so. */
function makeHandQueue() {
  const added: NewJob[] = []
  let handler: JobHandler | undefined
  return {
    added,
    isHandled: () => handler !== undefined,
    run: async () => handler?.(null, { attempt: 1, signal: new AbortController().signal }),
    jobs: {
      add: async (job: NewJob) => void added.push(job),
      handle(_: string, given: JobHandler) {
        handler = given
        return async () => {
          handler = undefined
        }
      },
    },
  }
}

function setup({ looks = true, marks = async () => true } = {}) {
  const calls: unknown[][] = []
  const left: DeviceName[][] = []
  const queue = makeHandQueue()
  const expiry = startExpiry(
    {
      jobs: queue.jobs,
      devices: {
        async expire({ lastSeen, end }) {
          calls.push(['expire', lastSeen, end])
          return left.shift() ?? []
        },
      },
      markConnected: () => {
        calls.push(['mark'])
        return marks()
      },
      expired: (devices) => calls.push(['expired', devices.length]),
      clock: () => Date.now(),
      logger: makeQuietLogger(),
    },
    { expiryMs: 30 * hour, looks },
  )
  return { calls, left, queue, expiry }
}

t.beforeEach(() => mock.timers.enable({ apis: ['setInterval', 'setTimeout', 'Date'] }))
t.afterEach(() => mock.timers.reset())

t.test('devices that stay away are forgotten in portions, and told of', async (t) => {
  const { calls, left, queue } = setup()
  mock.timers.tick(hour)
  const away = Array.from({ length: 1002 }, (_, i) => ({ user: 'bob', device: `away-${i}` }))
  left.push(away.slice(0, 1000), away.slice(1000))
  await queue.run()
  t.same(calls, [
    ['mark'],
    ['expire', hour - 30 * hour, hour],
    ['expired', 1000],
    ['expire', hour - 30 * hour, hour],
    ['expired', 2],
  ])
})

t.test('nobody is forgotten while those who are here cannot be marked', async (t) => {
  const { calls, queue } = setup({ marks: async () => false })
  mock.timers.tick(hour)
  await queue.run()
  t.same(calls, [['mark']])
})

t.test('it begins a minute after the start, and goes on hourly', async (t) => {
  const { queue } = setup()
  mock.timers.tick(59_999)
  t.notOk(queue.isHandled())
  mock.timers.tick(1)
  t.ok(queue.isHandled())
  t.match(queue.added, [{ kind: 'expire-devices', runAt: 60_000 + hour }])
})

t.test('who needs room has somebody look at once, every ten seconds at most', async (t) => {
  for (const looks of [true, false]) {
    const { queue, expiry } = setup({ looks })
    const asked = () => queue.added.filter(({ replaces }) => replaces).length
    expiry.hasten()
    t.equal(queue.isHandled(), looks, 'here, if this process looks for devices')
    t.equal(asked(), 1)
    mock.timers.tick(9999)
    expiry.hasten()
    t.equal(asked(), 1)
    mock.timers.tick(1)
    expiry.hasten()
    t.equal(asked(), 2)
    await expiry.close()
    t.notOk(queue.isHandled())
  }
})

t.test('a process that does not look leaves it to others', async (t) => {
  const { queue } = setup({ looks: false })
  mock.timers.tick(10 * hour)
  t.notOk(queue.isHandled())
  t.same(queue.added, [])
})

for (const expiryMs of [60_000, 30 * 24 * hour]) {
  t.test(`in ${expiryMs} ms nobody takes a device of another broker for absent`, async (t) => {
    const seen = new Map<string, number>([
      ['phone', 0],
      ['away', 0],
    ])
    const gone: string[] = []
    const queue = makeHandQueue()
    const clock = () => Date.now()
    const logger = makeQuietLogger()
    // The broker that the phone is connected to.
    const broker = makeLastSeen(
      {
        devices: {
          async saveLastSeen(devices, at) {
            for (const { device } of devices) seen.set(device, at)
          },
        },
        clock,
        logger,
        connected: () => [phone],
      },
      { expiryMs },
    )
    // The process that looks for devices, which has no connections.
    const expiry = startExpiry(
      {
        jobs: queue.jobs,
        devices: {
          async expire({ lastSeen }) {
            const old = [...seen].filter(([, at]) => at < lastSeen).map(([device]) => device)
            for (const device of old) seen.delete(device)
            return old.map((device) => ({ user: 'bob', device }))
          },
        },
        markConnected: async () => true,
        expired: (devices) => gone.push(...devices.map(({ device }) => device)),
        clock,
        logger,
      },
      { expiryMs, looks: true },
    )
    const step = expiryMs / 12
    let awayUntil = 0
    for (let at = 0; at < 5 * expiryMs; at += step) {
      // No longer than the broker's own timers are apart, as a mocked tick is one turn.
      for (let passed = 0; passed < step; passed += Math.min(step, hour)) {
        mock.timers.tick(Math.min(step, hour))
        await settle()
      }
      await queue.run()
      if (!gone.includes('away')) awayUntil = Date.now()
    }
    t.same(gone, ['away'])
    t.ok(awayUntil >= expiryMs - step && awayUntil <= expiryMs + step)
    await Promise.all([broker.close(), expiry.close()])
  })
}
