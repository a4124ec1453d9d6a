// The header of the PROXY protocol: what it says, and that nothing else is taken for one.

import fc from 'fast-check'
import t from 'tap'
import { BadOpening } from '../../../broker/doors/opening.ts'
import { readProxyHeader } from '../../../broker/doors/proxy-header.ts'
import { proxyHeader } from '../../support/proxy-header.ts'

const headerBytesMax = 4096

t.test('a header names the client of an IPv4 or IPv6 connection', async (t) => {
  const four = proxyHeader({ address: '203.0.113.9', port: 51234 })
  t.same(readProxyHeader(four), { taken: 28, value: { address: '203.0.113.9', port: 51234 } })
  const six = proxyHeader({ address: '2001:db8:0:0:0:0:0:1', port: 65535 })
  t.same(readProxyHeader(six), { taken: 52, value: { address: '2001:db8::1', port: 65535 } })
})

t.test('extensions are skipped, and the bytes of the client are left', async (t) => {
  const header = proxyHeader({ address: '203.0.113.9', port: 1 }, { extensions: Buffer.alloc(70) })
  const more = Buffer.concat([header, Buffer.from('hello')])
  t.match(readProxyHeader(more), { taken: 16 + 12 + 70, value: { port: 1 } })
})

t.test('a proxy that speaks for itself, or of no address, names nobody', async (t) => {
  for (const bytes of [
    proxyHeader(undefined),
    proxyHeader(undefined, { extensions: Buffer.alloc(20) }),
    proxyHeader(undefined, { command: 0x21 }),
    proxyHeader({ address: '203.0.113.9', port: 1 }, { command: 0x20 }),
    proxyHeader(undefined, { command: 0x21, family: 0x31, extensions: Buffer.alloc(216) }),
  ]) {
    t.same(readProxyHeader(bytes), { taken: bytes.length, value: undefined })
  }
})

t.test('what is no header of version 2 is refused, version 1 by its name', async (t) => {
  const client = { address: '203.0.113.9', port: 1 }
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.from('PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n'), /version 1; only version 2/],
    [Buffer.from([0x10, 12]), /no PROXY header/],
    [Buffer.from('\r\n\r\n\0\r\nQUIT\r'), /no PROXY header/],
    [proxyHeader(client, { command: 0x11 }), /unknown version or command/],
    [proxyHeader(client, { command: 0x22 }), /unknown version or command/],
    [proxyHeader(client, { family: 0x12 }), /not TCP/],
    [proxyHeader(client, { family: 0x41 }), /not TCP/],
    [proxyHeader(client, { family: 0x21 }), /without its addresses/],
    [proxyHeader(client, { extensions: Buffer.alloc(headerBytesMax) }), /too long/],
  ]
  for (const [bytes, message] of cases) t.throws(() => readProxyHeader(bytes), { message })
})

t.test('a header in pieces is read when it is whole, whatever the pieces', async () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6())
  const extensions = fc.uint8Array({ maxLength: 300 })
  fc.assert(
    fc.property(address, fc.nat(65535), extensions, fc.nat(400), (address, port, bytes, cut) => {
      const header = proxyHeader({ address, port }, { extensions: Buffer.from(bytes) })
      const piece = header.subarray(0, Math.min(cut, header.length - 1))
      const whole = readProxyHeader(Buffer.concat([header, Buffer.from('rest')]))
      const isSame = whole?.taken === header.length && whole.value?.port === port
      return isSame && readProxyHeader(piece) === undefined
    }),
    { numRuns: 500 },
  )
})

t.test('any bytes are read within the bound, refused, or waited for', async () => {
  const valid = fc.constant(proxyHeader({ address: '203.0.113.9', port: 1 }))
  const mutated = fc
    .tuple(valid, fc.nat(27), fc.nat(255), fc.uint8Array({ maxLength: 40 }))
    .map(([header, at, byte, more]) => {
      const bytes = Buffer.concat([header, more])
      bytes[at] = byte
      return bytes
    })
  const any = fc.uint8Array({ maxLength: 5000 }).map((bytes) => Buffer.from(bytes))
  fc.assert(
    fc.property(fc.oneof(mutated, any), (bytes) => {
      try {
        const opening = readProxyHeader(bytes)
        if (opening === undefined) return bytes.length < headerBytesMax
        return opening.taken <= Math.min(bytes.length, headerBytesMax)
      } catch (error) {
        return error instanceof BadOpening
      }
    }),
    { numRuns: 5000 },
  )
})
