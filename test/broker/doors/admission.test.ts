// Who may come in, and who is turned away: by numbers, by address, by pace.

import t from 'tap'
import type { AdmissionLimits, Refused } from '../../../broker/doors/admission.ts'
import { makeAdmission } from '../../../broker/doors/admission.ts'
import { noAddressLimits } from '../../support/no-address-limits.ts'

interface Line {
  readonly refused: Refused
  readonly unsaid?: number
}

function open(limits: Partial<AdmissionLimits> = {}) {
  const time = { now: 1_000_000 }
  const lines: Line[] = []
  const ignore = () => {}
  const logger = {
    debug: ignore,
    info: ignore,
    error: ignore,
    warn: (context: object) => void lines.push(context as Line),
  }
  const admission = makeAdmission(
    { connectionsMax: 1_000_000, ...noAddressLimits, ...limits },
    { clock: () => time.now, logger },
  )
  /** What `count` clients of the address hear, one after the other; who is let in stays. */
  const come = (address: string, count = 1) =>
    Array.from({ length: count }, () => {
      const refused = admission.knock(address)
      if (refused === undefined) admission.entered(address)
      return refused ?? 'in'
    })
  return { admission, time, lines, come }
}

const inside = (count: number) => Array<string>(count).fill('in')

t.test('there is a bound on connections in all, and who leaves makes room', async (t) => {
  const { admission, come } = open({ connectionsMax: 3 })
  t.same(come('192.0.2.1', 2), inside(2))
  t.same(come('192.0.2.2', 2), ['in', 'full'])
  admission.left('192.0.2.1')
  t.same(come('192.0.2.3', 2), ['in', 'full'])
})

t.test('there is a bound on connections of one address, which harms no other', async (t) => {
  const { admission, come } = open({ connectionsPerAddressMax: 2 })
  t.same(come('192.0.2.1', 3), ['in', 'in', 'crowded'])
  t.same(come('::ffff:192.0.2.1'), ['crowded'], 'the same address in other clothes')
  t.same(come('192.0.2.2', 2), inside(2))
  admission.left('192.0.2.1')
  t.same(come('192.0.2.1', 2), ['in', 'crowded'])
})

t.test('addresses of IPv6 are one by their first 64 bits', async (t) => {
  const { come } = open({ connectionsPerAddressMax: 2 })
  t.same(come('2001:db8:0:1::1'), ['in'])
  t.same(come('2001:db8:0:1:ffff::2', 2), ['in', 'crowded'])
  t.same(come('2001:db8:0:2::1', 2), inside(2))
})

t.test('an address may come in a burst, and then at its pace', async (t) => {
  const { time, come } = open({ connectsPerAddressPerSecond: 10, connectsPerAddressBurst: 5 })
  t.same(come('192.0.2.1', 7), [...inside(5), 'insistent', 'insistent'])
  t.same(come('192.0.2.2', 5), inside(5), 'another has a burst of its own')
  time.now += 100
  t.same(come('192.0.2.1', 2), ['in', 'insistent'])
  time.now += 60_000
  t.same(come('192.0.2.1', 6), [...inside(5), 'insistent'], 'a pause gives no more than a burst')
})

t.test('all together may come in a burst, and then at their pace', async (t) => {
  const { time, come } = open({ connectsPerSecond: 10, connectsBurst: 3 })
  t.same(
    ['1', '2', '3', '4'].flatMap((last) => come(`192.0.2.${last}`)),
    [...inside(3), 'hurried'],
  )
  time.now += 100
  t.same(come('192.0.2.5', 2), ['in', 'hurried'])
})

t.test('who is too quick uses up nothing of what is for everybody', async (t) => {
  const { come } = open({ connectsPerAddressBurst: 2, connectsBurst: 4 })
  t.same(come('192.0.2.1', 100).slice(0, 3), ['in', 'in', 'insistent'])
  t.same(come('192.0.2.2', 2), inside(2))
})

t.test('a clock that is set back locks nobody out', async (t) => {
  const { time, come } = open({ connectsPerAddressPerSecond: 10, connectsPerAddressBurst: 2 })
  come('192.0.2.1', 2)
  time.now -= 3_600_000
  t.same(come('192.0.2.1'), ['insistent'])
  time.now += 100
  t.same(come('192.0.2.1'), ['in'])
})

t.test('to exempt networks only the bound in all applies', async (t) => {
  const { come } = open({
    connectionsMax: 10,
    connectionsPerAddressMax: 1,
    connectsPerAddressBurst: 1,
    connectsBurst: 1,
    limitsExempt: ['127.0.0.0/8', '2001:db8::/32'],
  })
  t.same(come('127.0.0.1', 5), inside(5))
  t.same(come('::ffff:127.1.1.1', 3), inside(3))
  t.same(come('192.0.2.1', 2), ['in', 'crowded'], 'they have used up nothing')
  t.same(come('2001:db8::1', 2), ['in', 'full'])
})

t.test('a server that stops lets nobody in', async (t) => {
  const { admission, come, lines } = open()
  admission.stop()
  t.same(come('192.0.2.1'), ['stopping'])
  t.same(lines, [], 'which is nothing to tell')
})

t.test('any number of addresses is remembered in a bounded space', async (t) => {
  const { come } = open({ connectsPerAddressBurst: 1 })
  const addressOf = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`
  t.same(come(addressOf(0), 2), ['in', 'insistent'])
  for (let n = 1; n < 5000; n++) come(addressOf(n))
  t.same(come(addressOf(0)), ['insistent'], 'one of five thousand is known')
  for (let n = 5000; n < 30_000; n++) come(addressOf(n))
  t.same(come(addressOf(0)), ['in'], 'one of thirty thousand is forgotten')
})

t.test('the log has one line when it begins, and then one a minute that counts', async (t) => {
  const { time, come, lines } = open({ connectionsPerAddressMax: 1 })
  come('192.0.2.1', 1001)
  t.match(lines, [{ refused: 'crowded', address: '192.0.2.1' }])
  t.equal(lines.length, 1)
  for (let second = 1; second <= 60; second++) {
    time.now += 1000
    come('192.0.2.1', 10)
  }
  t.match(lines.slice(1), [{ refused: 'crowded', unsaid: 999 + 590 }])
  t.equal(lines.length, 2)
})
