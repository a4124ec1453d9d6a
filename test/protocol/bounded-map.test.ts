// The cache forgets, but never lies, and never grows above its bound.

import fc from 'fast-check'
import t from 'tap'
import { makeBoundedMap } from '../../protocol/bounded-map.ts'

await t.test('keeps what was used last, within its bound', async (t) => {
  const map = makeBoundedMap<number, string>(10)
  for (let key = 0; key < 100; key++) {
    map.set(key, `${key}`)
    t.equal(map.get(0), '0', 'what is used again and again stays')
  }
  const kept = Array.from({ length: 100 }, (_, key) => map.get(key)).filter(Boolean)
  t.ok(kept.length <= 10)
})

await t.test('gives the value set last, or nothing', async (t) => {
  const step = fc.record({ key: fc.nat(9), value: fc.option(fc.nat(), { nil: undefined }) })
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 2, max: 12 }),
      (steps, max) => {
        const map = makeBoundedMap<number, number>(max)
        const truth = new Map<number, number>()
        for (const { key, value } of steps) {
          if (value !== undefined) {
            map.set(key, value)
            truth.set(key, value)
            if (map.get(key) !== value) return false
          }
          const got = map.get(key)
          if (got !== undefined && got !== truth.get(key)) return false
        }
        return [...truth.keys()].filter((key) => map.get(key) !== undefined).length <= max
      },
    ),
  )
  t.pass('on 100 histories')
})
