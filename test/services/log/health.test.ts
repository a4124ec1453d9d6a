// Readiness turns by itself when the store works again, also if nobody publishes.

import t from 'tap'
import { type Health, makeHealth } from '../../../services/log/health.ts'
import { until } from '../../support/until.ts'

interface Setup {
  readonly health: Health
  failure: string | undefined
  checks: number
  isBusy: boolean
  check: () => Promise<void>
}

function setup(t: { teardown(work: () => void): void }, everyMs = 5): Setup {
  const it: Setup = {
    failure: undefined,
    checks: 0,
    isBusy: false,
    check: async () => {},
    health: makeHealth({
      persistence: {
        busy: () => it.isBusy,
        failure: () => it.failure,
        worked: () => {
          it.failure = undefined
        },
      },
      check: () => {
        it.checks++
        return it.check()
      },
      everyMs,
    }),
  }
  t.teardown(() => it.health.close())
  return it
}

const turns = () => new Promise((resolve) => setTimeout(resolve, 30))

t.test('it is ready while the log has no failure, and the store is not asked', async (t) => {
  const it = setup(t)
  await turns()
  t.same([it.health.reasons(), it.checks], [[], 0])
})

t.test('it says why it is not ready, until a check succeeds', async (t) => {
  const it = setup(t)
  it.check = () => Promise.reject(new Error('still locked'))
  it.failure = 'disk full'
  t.same(it.health.reasons(), ['store: disk full'])
  await until('it asked more than once', () => it.checks > 2)
  t.same(it.health.reasons(), ['store: disk full'])
  it.check = async () => {}
  await until('it is ready', () => it.health.reasons().length === 0)
})

t.test('one check runs at a time, and none after close', async (t) => {
  const it = setup(t)
  let answer = () => {}
  it.check = () =>
    new Promise<void>((resolve) => {
      answer = resolve
    })
  it.failure = 'disk full'
  await until('it asked', () => it.checks === 1)
  await turns()
  t.equal(it.checks, 1)
  answer()
  await until('it is ready', () => it.health.reasons().length === 0)
  it.health.close()
  it.failure = 'again'
  await turns()
  t.equal(it.checks, 1)
})

t.test('while messages are being tried they tell, and no check does', async (t) => {
  const it = setup(t)
  it.failure = 'disk full'
  it.isBusy = true
  await turns()
  t.equal(it.checks, 0)
  let answer = () => {}
  it.check = () =>
    new Promise<void>((resolve) => {
      answer = resolve
    })
  it.isBusy = false
  await until('it asks', () => it.checks === 1)
  it.isBusy = true
  answer()
  await turns()
  t.same(it.health.reasons(), ['store: disk full'], 'a message came meanwhile')
})
