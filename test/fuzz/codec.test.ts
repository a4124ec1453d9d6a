// A short run of the codec's fuzzer; the long run is `npm run fuzz`.

import fc from 'fast-check'
import t from 'tap'
import { holds } from '../protocol/support/property.ts'
import { anyStream, readStream } from './codec.ts'

t.test('packets mean what they say, however damaged, and in whatever pieces', async (t) => {
  let taken = 0
  let refused = 0
  const property = fc.property(anyStream, (stream) => {
    const verdict = readStream(stream)
    taken += verdict.taken
    refused += verdict.refused
  })
  holds(t, property, 3000)
  t.ok(taken > refused && refused > 500, `${taken} packets were taken, ${refused} refused`)
})
