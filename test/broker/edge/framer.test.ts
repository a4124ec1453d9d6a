// The framer: any stream of packets, cut anywhere, comes out packet by packet.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { FatalPacket } from '../../../broker/edge/fatal-packet.ts'
import { type Frame, Framer } from '../../../broker/edge/framer.ts'
import { holds } from '../../protocol/support/property.ts'
import { anyPacket, parseAll } from './support/packets.ts'

const anySize = 0x0f_ff_ff_ff

/** The bytes cut at the given places, each in memory of its own. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...ends].map((from, index) => Buffer.from(bytes.subarray(from, ends[index])))
}

const copyOf = ({ buffer, first, end }: Frame) => Buffer.from(buffer.subarray(first, end))

function drain(framer: Framer, take: (frame: Frame) => void): void {
  for (let frame = framer.next(); frame; frame = framer.next()) take(frame)
}

const packets = fc.array(anyPacket, { maxLength: 12 })
const places = fc.array(fc.nat(), { maxLength: 30 })

t.test(
  'packets cut into any chunks come out whole, in order, as mqtt-packet reads them',
  async (t) => {
    const property = fc.property(packets, places, (sent, cuts) => {
      const framer = new Framer(anySize)
      const received: Buffer[] = []
      for (const chunk of cut(Buffer.concat(sent), cuts)) {
        framer.push(chunk)
        drain(framer, (frame) => {
          assert.equal(frame.header, frame.buffer[frame.first])
          received.push(copyOf(frame))
        })
      }
      assert.deepEqual(received, sent)
      assert.deepEqual(
        received.flatMap((bytes) => parseAll(bytes)),
        parseAll(Buffer.concat(sent)),
      )
      assert.equal(framer.pending(), 0)
    })
    holds(t, property, 500)
  },
)

t.test('a frame that is not taken yet stays whole while more bytes come', async (t) => {
  // Reading may wait for an answer with packets left; chunks already on their way are pushed then.
  const taken = fc.array(fc.nat(3), { minLength: 1, maxLength: 40 })
  const property = fc.property(packets, places, taken, (sent, cuts, steps) => {
    const framer = new Framer(anySize)
    const stream = Buffer.concat(sent)
    const received: Buffer[] = []
    let pushed = 0
    for (const [index, chunk] of cut(stream, cuts).entries()) {
      framer.push(chunk)
      pushed += chunk.length
      for (let left = steps[index % steps.length] ?? 0; left > 0; left--) {
        const frame = framer.next()
        if (frame) received.push(copyOf(frame))
      }
      const out = received.reduce((sum, { length }) => sum + length, 0)
      assert.equal(framer.pending(), pushed - out, 'pending')
    }
    drain(framer, (frame) => received.push(copyOf(frame)))
    assert.deepEqual(received, sent)
  })
  holds(t, property, 500)
})

t.test('a chunk as the socket gave it is never written to', async (t) => {
  const property = fc.property(packets, places, (sent, cuts) => {
    const framer = new Framer(anySize)
    const chunks = cut(Buffer.concat(sent), cuts)
    const before = chunks.map((chunk) => chunk.toString('hex'))
    for (const chunk of chunks) {
      framer.push(chunk)
      drain(framer, () => {})
    }
    assert.deepEqual(
      chunks.map((chunk) => chunk.toString('hex')),
      before,
    )
  })
  holds(t, property)
})

t.test('a whole packet is handed out in place, without a copy', async (t) => {
  const chunk = Buffer.from([0xc0, 0, 0x40, 2, 0, 1, 0xc0])
  const framer = new Framer(anySize)
  framer.push(chunk)
  t.equal(framer.next()?.buffer, chunk)
  t.match(framer.next(), { buffer: chunk, first: 2, start: 4, end: 6, header: 0x40 })
  t.equal(framer.next(), undefined)
  t.equal(framer.pending(), 1)
})

t.test('the length counts up to four bytes, and a fifth is fatal', async (t) => {
  const limits: [number[], number][] = [
    [[0x7f], 127],
    [[0x80, 0x01], 128],
    [[0xff, 0x7f], 16_383],
    [[0x80, 0x80, 0x01], 16_384],
    [[0xff, 0xff, 0x7f], 2_097_151],
    [[0x80, 0x80, 0x80, 0x01], 2_097_152],
  ]
  for (const [bytes, length] of limits) {
    const framer = new Framer(anySize)
    framer.push(Buffer.concat([Buffer.from([0x30, ...bytes]), Buffer.alloc(length - 1)]))
    t.equal(framer.next(), undefined, `${length}: one byte is missing`)
    framer.push(Buffer.from([7]))
    const frame = framer.next()
    t.equal(frame && frame.end - frame.start, length)
  }
  const framer = new Framer(anySize)
  framer.push(Buffer.from([0x30, 0xff, 0xff, 0xff]))
  t.equal(framer.next(), undefined, 'more bytes of the length may come')
  framer.push(Buffer.from([0xff]))
  t.throws(() => framer.next(), FatalPacket)
})

t.test('a packet above the bound is fatal as soon as its length is known', async (t) => {
  const framer = new Framer(1000)
  framer.push(Buffer.from([0xc0, 0, 0x30, 0xe9, 0x07]))
  t.equal(framer.next()?.header, 0xc0, 'what came before is still handed out')
  t.throws(() => framer.next(), FatalPacket)
  const exact = new Framer(1000)
  exact.push(Buffer.concat([Buffer.from([0x30, 0xe8, 0x07]), Buffer.alloc(1000)]))
  t.equal(exact.next()?.end, 1003)
  exact.packetBytesMax = 10
  exact.push(Buffer.from([0x30, 11]))
  t.throws(() => exact.next(), FatalPacket, 'the bound can change between packets')
})

t.test('no bytes make it throw anything but FatalPacket, or run without end', async (t) => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 })
  const property = fc.property(chunks, (all) => {
    const framer = new Framer(60)
    try {
      for (const bytes of all) {
        framer.push(Buffer.from(bytes))
        drain(framer, ({ start, end, buffer }) => assert.ok(start <= end && end <= buffer.length))
        assert.ok(framer.pending() < 60 + 5)
      }
    } catch (error) {
      assert.ok(error instanceof FatalPacket)
    }
  })
  holds(t, property, 1000)
})

t.test('an announced length costs nothing, and a byte at a time costs linear time', async (t) => {
  let allocated = 0
  const allocate = Buffer.allocUnsafeSlow
  Buffer.allocUnsafeSlow = (size) => {
    allocated += size
    return allocate(size)
  }
  t.teardown(() => {
    Buffer.allocUnsafeSlow = allocate
  })
  const length = 2 ** 18
  const framer = new Framer(anySize)
  framer.push(Buffer.from([0x30, 0x80, 0x80, 0x10]))
  t.equal(framer.next(), undefined)
  t.ok(allocated < 1000, `${allocated} bytes for the announcement`)
  for (let i = 1; i < length; i++) {
    framer.push(Buffer.from([i & 0xff]))
    if (framer.next() !== undefined) return t.fail('came too early')
  }
  framer.push(Buffer.from([0]))
  const frame = framer.next()
  t.equal(frame && frame.end - frame.start, length)
  t.ok(allocated < 8 * length, `${allocated} bytes allocated for ${length}`)
  t.equal(framer.pending(), 0)
})
