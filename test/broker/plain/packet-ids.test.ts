// Packet ids: round and round, and none twice at a time.

import fc from 'fast-check'
import t from 'tap'
import { PacketIds } from '../../../broker/plain/packet-ids.ts'

const idMax = 65_535

t.test('ids go up, begin anew after 65535, and leave out what is under way', async (t) => {
  const ids = new PacketIds(65_533)
  t.same([ids.take(), ids.take()], [65_533, 65_534])
  ids.release(65_533)
  t.same([ids.take(), ids.take()], [65_535, 65_533])
  t.equal(ids.isFull(), true)
  ids.release(65_534)
  t.equal(ids.isFull(), false)
  t.equal(ids.take(), 65_534)
})

t.test('ids go on where another connection left', async (t) => {
  const ids = new PacketIds(1)
  ids.goOn(7, [7, 8, 10, 40_000])
  t.same([ids.take(), ids.take()], [9, 11])
})

t.test('no id stands for two messages, whatever is released when [MQTT-2.3.1-4]', async (t) => {
  const first = idMax - 4
  const steps = fc.array(fc.option(fc.integer({ min: first - 1, max: idMax })), { maxLength: 60 })
  const holds = fc.property(steps, (released) => {
    const ids = new PacketIds(first)
    const underWay = new Set<number>()
    for (const id of released) {
      if (id !== null) {
        ids.release(id)
        underWay.delete(id)
      } else if (!ids.isFull()) {
        const taken = ids.take()
        if (taken < first || taken > idMax || underWay.has(taken)) return false
        underWay.add(taken)
      }
      if (ids.isFull() !== (underWay.size === 5)) return false
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(holds, { numRuns: 1000 }))
})
