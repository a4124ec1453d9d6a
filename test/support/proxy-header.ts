// Headers of the PROXY protocol, version 2, as a proxy writes them.

import { isIPv4 } from 'node:net'

interface Peculiarities {
  readonly command?: number
  readonly family?: number
  readonly extensions?: Buffer
}

/** The header for a client; without one, that of a proxy's own connection (LOCAL). */
export function proxyHeader(
  client: { readonly address: string; readonly port: number } | undefined,
  { command, family, extensions = Buffer.alloc(0) }: Peculiarities = {},
): Buffer {
  const addresses = client === undefined ? Buffer.alloc(0) : addressBlock(client)
  const natural = client === undefined ? 0 : isIPv4(client.address) ? 0x11 : 0x21
  const length = Buffer.alloc(2)
  length.writeUInt16BE(addresses.length + extensions.length)
  return Buffer.concat([
    Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    Buffer.of(command ?? (client === undefined ? 0x20 : 0x21), family ?? natural),
    length,
    addresses,
    extensions,
  ])
}

/** Source and destination; the latter is ::1 or 127.0.0.1, port 1. */
function addressBlock({ address, port }: { address: string; port: number }): Buffer {
  const ports = Buffer.of(port >> 8, port & 0xff, 0, 1)
  if (isIPv4(address)) {
    return Buffer.concat([
      Buffer.from(address.split('.').map(Number)),
      Buffer.of(127, 0, 0, 1),
      ports,
    ])
  }
  const destination = Buffer.alloc(16)
  destination[15] = 1
  return Buffer.concat([bytesOfIPv6(address), destination, ports])
}

function bytesOfIPv6(address: string): Buffer {
  // An IPv4 tail is two groups.
  const tail = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address)
  const numbers = tail?.slice(2).map(Number) ?? []
  const [a = 0, b = 0, c = 0, d = 0] = numbers
  const groups = tail
    ? `${tail[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
    : address
  const [head = '', rest] = groups.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = rest === undefined || rest === '' ? [] : rest.split(':')
  const zeros = new Array<string>(8 - before.length - after.length).fill('0')
  const bytes = Buffer.alloc(16)
  for (const [index, group] of [...before, ...zeros, ...after].entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2)
  }
  return bytes
}
