// When devices were last seen.

import { mock } from 'node:test'
import t from 'tap'
import { makeLastSeen } from '../../../services/delivery/last-seen.ts'
import type { DeviceName } from '../../../services/delivery/ports.ts'
import { makeQuietLogger, settle } from './support/devices.ts'

const hour = 3_600_000
const phone = { user: 'bob', device: 'phone' }

function setup(connected: readonly DeviceName[] = []) {
  const calls: unknown[][] = []
  const warnings: string[] = []
  let isBroken = false
  const lastSeen = makeLastSeen(
    {
      devices: {
        async saveLastSeen(devices, at) {
          if (isBroken) throw new Error('disk full')
          calls.push(['seen', devices.map(({ device }) => device), at])
        },
      },
      clock: () => Date.now(),
      logger: makeQuietLogger(warnings),
      connected: () => connected,
    },
    { expiryMs: 30 * hour },
  )
  const fail = (broken: boolean) => {
    isBroken = broken
  }
  return { calls, warnings, lastSeen, fail }
}

t.beforeEach(() => mock.timers.enable({ apis: ['setInterval', 'Date'] }))
t.afterEach(() => mock.timers.reset())

t.test('devices are written in bulk, once each, within seconds', async (t) => {
  const { calls, lastSeen } = setup()
  for (const device of ['phone', 'laptop', 'phone']) lastSeen.seen({ user: 'bob', device })
  mock.timers.tick(5000)
  await settle()
  mock.timers.tick(5000)
  await settle()
  t.same(calls, [['seen', ['phone', 'laptop'], 5000]])
})

t.test('what the store did not take is written when it works again', async (t) => {
  const { calls, lastSeen, fail } = setup()
  lastSeen.seen(phone)
  fail(true)
  mock.timers.tick(5000)
  await settle()
  fail(false)
  mock.timers.tick(5000)
  await settle()
  t.same(calls, [['seen', ['phone'], 10_000]])
})

t.test('closing writes what is left', async (t) => {
  const { calls, lastSeen } = setup()
  lastSeen.seen(phone)
  await lastSeen.close()
  t.same(calls, [['seen', ['phone'], 0]])
})

t.test('those that are connected are marked every hour, and when somebody asks', async (t) => {
  const { calls, lastSeen } = setup([phone])
  mock.timers.tick(hour)
  await settle()
  mock.timers.tick(5000)
  await settle()
  t.same(calls, [['seen', ['phone'], hour + 5000]])
  t.equal(await lastSeen.markConnected(), true)
  t.same(calls[1], ['seen', ['phone'], hour + 5000])
})

t.test('who asks is told when the store did not take it', async (t) => {
  const { warnings, lastSeen, fail } = setup([phone])
  fail(true)
  t.equal(await lastSeen.markConnected(), false)
  t.equal(warnings.length, 1)
})
