// The first bytes of a TLS connection: enough to see that it is one, and that what it announces is
// small. OpenSSL would take 128 KiB from anybody. Pure.

import type { Opening } from './opening.ts'
import { BadOpening } from './opening.ts'

/** Record header and message header (RFC 8446, sections 5.1 and 4). */
const headerBytes = 9
const handshakeRecord = 22
const clientHello = 1
/** With all that browsers put in, keys against quantum computers included, it has 2 KB. */
const helloBytesMax = 16_384

/** Takes nothing: TLS reads it all again. Throws `BadOpening`. */
export function checkClientHello(bytes: Buffer): Opening<undefined> {
  if (bytes[0] !== handshakeRecord) throw new BadOpening('not TLS')
  if (bytes.length < headerBytes) return undefined
  const isWhole = bytes.readUInt16BE(3) >= headerBytes - 5
  if (!isWhole || bytes[5] !== clientHello || bytes.readUIntBE(6, 3) > helloBytesMax) {
    throw new BadOpening('no ClientHello, or one that is too large')
  }
  return { taken: 0, value: undefined }
}
