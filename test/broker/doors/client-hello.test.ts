// The check of the first bytes of a TLS connection.

import fc from 'fast-check'
import t from 'tap'
import { checkClientHello } from '../../../broker/doors/client-hello.ts'
import { BadOpening } from '../../../broker/doors/opening.ts'

const helloBytesMax = 16_384

/** The first nine bytes of a ClientHello. */
function hello(bytes: number, record = 512): Buffer {
  return Buffer.of(
    22,
    3,
    1,
    record >> 8,
    record & 0xff,
    1,
    bytes >> 16,
    (bytes >> 8) & 0xff,
    bytes & 0xff,
  )
}

t.test('a ClientHello of a sensible size passes, and is left to be read again', async (t) => {
  for (const bytes of [100, 517, 2000, helloBytesMax]) {
    t.same(checkClientHello(hello(bytes)), { taken: 0, value: undefined })
  }
})

t.test('one that announces more than anybody needs, or is torn, is refused', async (t) => {
  for (const bytes of [hello(helloBytesMax + 1), hello(0xffffff), hello(100, 3)]) {
    t.throws(() => checkClientHello(bytes), BadOpening)
  }
})

t.test('any bytes pass, are refused, or wait for the ninth', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
      try {
        return checkClientHello(Buffer.from(bytes)) !== undefined || bytes.length < 9
      } catch (error) {
        return error instanceof BadOpening
      }
    }),
    { numRuns: 2000 },
  )
})
