// The client's side of WebSocket in bytes, for a client that breaks it: the upgrade, and masked
// frames (RFC 6455, sections 1.3 and 5.2).

/** The request that opens a WebSocket for MQTT. */
export function upgradeRequest(port: number): Buffer {
  return Buffer.from(
    [
      'GET /mqtt HTTP/1.1',
      `Host: 127.0.0.1:${port}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Protocol: mqtt',
      '\r\n',
    ].join('\r\n'),
  )
}

/** A binary frame of its own. */
export function frameOf(payload: Buffer): Buffer {
  const mask = Buffer.of(0x11, 0x22, 0x33, 0x44)
  const masked = payload.map((byte, index) => byte ^ (mask[index & 3] as number))
  return Buffer.concat([Buffer.of(0x82), lengthOf(payload.length), mask, masked])
}

/** The length of a payload, with the bit that says that it is masked. */
function lengthOf(length: number): Buffer {
  if (length < 126) return Buffer.of(0x80 | length)
  if (length < 65_536) return Buffer.of(0x80 | 126, length >> 8, length & 0xff)
  const bytes = Buffer.alloc(9)
  bytes[0] = 0x80 | 127
  bytes.writeUInt32BE(length, 5)
  return bytes
}
