// The header of the PROXY protocol, version 2, section 2.2 of
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt: who the client is, before the bytes
// of the client. Pure.

import { SocketAddress } from 'node:net'
import type { Opening } from './opening.ts'
import { BadOpening } from './opening.ts'

export interface Peer {
  readonly address: string
  readonly port: number
}

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const fixedBytes = 16
/** Addresses take 36 bytes, the rest is for extensions, which are skipped. */
const headerBytesMax = 4096

/** Bytes of the address block by family and transport; the transports of the others are no TCP. */
const tcp4 = 0x11
const tcp6 = 0x21
const addressBytes: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [tcp4, 12],
  [tcp6, 36],
  [0x31, 216],
])

/** Reads a header. Its value is the client, or undefined where the proxy speaks for itself (LOCAL)
 * or of something that has no address. Throws `BadOpening` for anything else. */
export function readProxyHeader(bytes: Buffer): Opening<Peer | undefined> {
  const start = Math.min(bytes.length, signature.length)
  if (signature.compare(bytes, 0, start, 0, start) !== 0) throw new BadOpening(describe(bytes))
  if (bytes.length < fixedBytes) return undefined
  const command = bytes[12] as number
  const family = bytes[13] as number
  const length = bytes.readUInt16BE(14)
  const taken = fixedBytes + length
  if (taken > headerBytesMax) throw new BadOpening('a PROXY header that is too long')
  if (command !== 0x20 && command !== 0x21) {
    throw new BadOpening('a PROXY header of an unknown version or command')
  }
  if (bytes.length < taken) return undefined
  // What a proxy says of its own connection is not looked at.
  if (command === 0x20) return { taken, value: undefined }
  const expected = addressBytes.get(family)
  if (expected === undefined) throw new BadOpening('a PROXY header of something that is not TCP')
  if (length < expected) throw new BadOpening('a PROXY header without its addresses')
  return { taken, value: readPeer(bytes, family) }
}

function readPeer(bytes: Buffer, family: number): Peer | undefined {
  if (family === tcp4) {
    const address = [...bytes.subarray(fixedBytes, fixedBytes + 4)].join('.')
    return { address, port: bytes.readUInt16BE(fixedBytes + 8) }
  }
  if (family !== tcp6) return undefined
  const groups = [0, 2, 4, 6, 8, 10, 12, 14].map((at) => bytes.readUInt16BE(fixedBytes + at))
  const address = groups.map((group) => group.toString(16)).join(':')
  // One spelling for each address: limits are kept by it.
  const { address: canonical } = new SocketAddress({ address, family: 'ipv6' })
  return { address: canonical, port: bytes.readUInt16BE(fixedBytes + 32) }
}

function describe(bytes: Buffer): string {
  const isVersion1 = bytes.subarray(0, 6).toString('latin1') === 'PROXY '
  return isVersion1
    ? 'the PROXY protocol in version 1; only version 2 is understood (send-proxy-v2)'
    : 'no PROXY header'
}
