// When devices were last seen, and the end of those that stay away.

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
  const left: DeviceName[][] = []
  let isBroken = false
  const lastSeen = makeLastSeen(
    {
      devices: {
        async saveLastSeen(devices, at) {
          if (isBroken) throw new Error('disk full')
          calls.push(['seen', devices.map(({ device }) => device), at])
        },
        async expire({ lastSeen }) {
          calls.push(['expire', lastSeen])
          return left.shift() ?? []
        },
      },
      clock: () => Date.now(),
      logger: makeQuietLogger(warnings),
      connected: () => connected,
    },
    { expiryMs: 30 * hour },
  )
  lastSeen.onExpired(({ device }) => calls.push(['expired', device]))
  const fail = (broken: boolean) => {
    isBroken = broken
  }
  return { calls, warnings, left, lastSeen, fail }
}

t.beforeEach(() => mock.timers.enable({ apis: ['setInterval', 'setTimeout', 'Date'] }))
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

t.test('every hour the devices that stay away are forgotten, and told of', async (t) => {
  const { calls, left } = setup([phone])
  const away = Array.from({ length: 1002 }, (_, i) => ({ user: 'bob', device: `away-${i}` }))
  left.push(away.slice(0, 1000), away.slice(1000))
  mock.timers.tick(hour)
  await settle()
  t.same(calls, [
    ['seen', ['phone'], hour],
    ['expire', hour - 30 * hour],
    ...away.slice(0, 1000).map(({ device }) => ['expired', device]),
    ['expire', hour - 30 * hour],
    ['expired', 'away-1000'],
    ['expired', 'away-1001'],
  ])
})

t.test('a store that fails is tried again, and nobody is forgotten unseen', async (t) => {
  const { calls, warnings, fail } = setup([phone])
  fail(true)
  mock.timers.tick(hour)
  await settle()
  t.same(calls, [])
  t.equal(warnings.length, 1)
  fail(false)
  mock.timers.tick(hour)
  await settle()
  t.same(calls[0], ['seen', ['phone'], 2 * hour])
})

t.test('who needs room makes it look at once, and no more than every ten seconds', async (t) => {
  const { calls, left, lastSeen } = setup()
  left.push([phone])
  lastSeen.hasten()
  await settle()
  t.same(calls, [
    ['expire', -30 * hour],
    ['expired', 'phone'],
  ])
  mock.timers.tick(9999)
  lastSeen.hasten()
  await settle()
  t.equal(calls.length, 2)
  mock.timers.tick(1)
  lastSeen.hasten()
  await settle()
  t.equal(calls.length, 3)
})

t.test('who stayed away while the server was down is forgotten a minute later', async (t) => {
  const { calls } = setup()
  mock.timers.tick(59_999)
  await settle()
  t.same(calls, [])
  mock.timers.tick(1)
  await settle()
  t.same(calls, [['expire', 60_000 - 30 * hour]])
})
