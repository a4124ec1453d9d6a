// The window against a naive model.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { Quota } from '../../../services/delivery/quota.ts'
import { packetIdMax, Window } from '../../../services/delivery/window.ts'
import { holds } from '../../protocol/support/property.ts'

interface Sent {
  readonly packetId: number
  readonly seq: number
  readonly holder: string
  isAcknowledged: boolean
}

/** All that a window must do, said slowly. */
class Model {
  readonly pending: Sent[] = []
  readonly released: string[] = []
  #count: number

  constructor(taken: number) {
    this.#count = taken
  }

  take(holder: string, seq: number): number {
    const packetId = (this.#count++ % 32_768) + 1
    this.pending.push({ packetId, seq, holder, isAcknowledged: false })
    return packetId
  }

  acknowledge(packetId: number): boolean {
    const sent = this.pending.find((it) => it.packetId === packetId && !it.isAcknowledged)
    if (sent === undefined) return false
    sent.isAcknowledged = true
    while (this.pending[0]?.isAcknowledged) {
      const { holder, seq } = this.pending.shift() as Sent
      this.released.push(`${holder}:${seq}`)
    }
    return true
  }
}

const step = fc.oneof(
  fc.record({ take: fc.constantFrom('a', 'b', 'c'), seq: fc.integer({ min: 1, max: 2 ** 40 }) }),
  // One that is in the window, by its place from the oldest; also twice, and from far away.
  fc.record({ acknowledge: fc.nat(20) }),
  fc.record({ anything: fc.integer({ min: 1, max: 65_535 }) }),
)
type Step = { take?: string; seq?: number; acknowledge?: number; anything?: number }

t.test('a window does what the model does, also where packet ids begin again', async (t) => {
  const size = fc.constantFrom(1, 2, 4, 16, 256)
  const before = fc.constantFrom(0, 1, 15, 32_760, 32_767, 32_768, 65_530, 98_300)
  const steps = fc.array(step as fc.Arbitrary<Step>, { maxLength: 120 })
  const property = fc.property(size, before, steps, (entriesMax, taken, history) => {
    const released: string[] = []
    const window = new Window<string>(entriesMax, (holder, seq) =>
      released.push(`${holder}:${seq}`),
    )
    for (let i = 0; i < taken; i++) window.acknowledge(window.take('before', 1))
    released.length = 0
    const model = new Model(taken)
    for (const { take, seq = 0, acknowledge, anything } of history) {
      if (take !== undefined && window.free() > 0) {
        assert.equal(window.take(take, seq), model.take(take, seq))
      }
      if (acknowledge !== undefined || anything !== undefined) {
        const packetId = anything ?? model.pending[acknowledge ?? 0]?.packetId ?? 1
        assert.equal(window.acknowledge(packetId), model.acknowledge(packetId), `ack ${packetId}`)
      }
      assert.deepEqual(released, model.released)
      assert.equal(window.free(), entriesMax - model.pending.length)
      assert.equal(window.free(), entriesMax - model.pending.length)
    }
  })
  holds(t, property, 200)
})

t.test('packet ids are 1 to 32768 and no two in the window are the same', async (t) => {
  const window = new Window<string>(16_384, () => {})
  const seen = new Set<number>()
  for (let i = 0; i < 16_384; i++) seen.add(window.take('a', i + 1))
  for (let i = 1; i <= 16_384; i++) window.acknowledge(i)
  for (let i = 0; i < 16_384; i++) seen.add(window.take('a', i + 1))
  t.equal(seen.size, packetIdMax)
  t.same([Math.min(...seen), Math.max(...seen)], [1, 32_768])
  window.acknowledge(16_385)
  t.equal(window.take('a', 1), 1, 'and begins again')
})

t.test('ids of aedes are not ours', async (t) => {
  const window = new Window<string>(16, () => {})
  for (let i = 1; i <= 16; i++) window.take('a', i)
  for (const id of [32_769, 32_770, 40_000, 65_535]) t.equal(window.acknowledge(id), false, `${id}`)
  t.equal(window.free(), 0)
})

t.test('a release may take the next packet at once', async (t) => {
  const order: number[] = []
  const window = new Window<string>(2, (_, seq) => {
    order.push(seq)
    if (seq < 10) window.take('a', seq + 2)
  })
  window.take('a', 1)
  window.take('a', 2)
  for (let id = 1; id <= 11; id++) t.equal(window.acknowledge(id), true, `${id}`)
  t.same(
    order,
    Array.from({ length: 11 }, (_, index) => index + 1),
  )
})

t.test('a quota bounds the window, whatever its size; each acknowledgement counts', async (t) => {
  const quota = new Quota(3)
  const window = new Window<string>(16, () => {}, quota)
  t.equal(window.free(), 3)
  const ids = [1, 2, 3].map((seq) => window.take('a', seq))
  t.equal(window.free(), 0)
  t.ok(window.isHalfFull())
  window.acknowledge(ids[2] as number)
  t.equal(window.free(), 1, 'also one that is not released yet')
  window.acknowledge(ids[2] as number)
  t.equal(window.free(), 1, 'but only once')
  window.acknowledge(ids[0] as number)
  window.acknowledge(ids[1] as number)
  t.same([window.free(), window.isHalfFull()], [3, false])
})

t.test('the window of a client that takes more than it is as large as ever', async (t) => {
  const window = new Window<string>(2, () => {}, new Quota(65_535))
  window.take('a', 1)
  window.take('a', 2)
  t.equal(window.free(), 0)
})
