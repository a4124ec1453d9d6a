// Frames of WebSocket for MQTT packets, one frame for each, in one buffer: what is joined for a
// socket leaves in one write all the same. By hand, because a call of ws for each packet costs more
// than the packet (ARCHITECTURE.md).

/** FIN, and binary data (RFC 6455, section 5.2). A server does not mask. */
const finalBinary = 0x82
const length16 = 126
const length64 = 127

/** Puts whole MQTT packets, one after the other, into a frame each. Bytes that end within a packet
 * are a frame, too. */
export function framePackets(packets: Buffer): Buffer {
  const first = packetEnd(packets, 0)
  let size = 0
  for (let at = 0, end = first; at < packets.length; at = end, end = packetEnd(packets, at)) {
    size += headerSize(end - at) + end - at
  }
  const frames = Buffer.allocUnsafe(size)
  let to = 0
  for (let at = 0, end = first; at < packets.length; at = end, end = packetEnd(packets, at)) {
    to = writeHeader(frames, to, end - at)
    frames.set(at === 0 && end === packets.length ? packets : packets.subarray(at, end), to)
    to += end - at
  }
  return frames
}

/** One past the end of the packet that begins at `at`: its remaining length is up to four bytes of
 * seven bits [MQTT-2.2.3]. */
function packetEnd(packets: Buffer, at: number): number {
  let length = 0
  let next = at + 1
  for (let shift = 0; shift <= 21; shift += 7) {
    const byte = packets[next++] ?? 0
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  return Math.min(next + length, packets.length)
}

function headerSize(length: number): number {
  return length < length16 ? 2 : length < 0x1_0000 ? 4 : 10
}

/** Writes the header of a frame; returns where its data begin. */
function writeHeader(frames: Buffer, at: number, length: number): number {
  frames[at] = finalBinary
  if (length < length16) {
    frames[at + 1] = length
    return at + 2
  }
  if (length < 0x1_0000) {
    frames[at + 1] = length16
    return frames.writeUInt16BE(length, at + 2)
  }
  frames[at + 1] = length64
  frames.writeUInt32BE(0, at + 2)
  return frames.writeUInt32BE(length, at + 6)
}
