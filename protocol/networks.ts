// Internet addresses and the networks they lie in: which peers are one and the same for a limit,
// and which are on a list of the operator's. Pure.

import { BlockList, isIP, isIPv6 } from 'node:net'

/** A set of networks. */
export interface Networks {
  /** Whether an address lies in one of them; false for what is no address. */
  has(address: string): boolean
}

const mappedPrefix = '::ffff:'
/** Groups of 16 bits that name a network of IPv6. */
const groupsOfNetwork = 4

/** Whether a text names a network: an address, or `address/bits`. */
export function isNetwork(text: string): boolean {
  return parseNetwork(text) !== undefined
}

/** Makes a set of networks. Throws `TypeError` for what `isNetwork` refuses. */
export function makeNetworks(networks: readonly string[]): Networks {
  const list = new BlockList()
  for (const text of networks) {
    const network = parseNetwork(text)
    if (network === undefined) throw new TypeError(`'${text}' is not a network`)
    list.addSubnet(network.address, network.bits, familyOf(network.address))
  }
  return {
    has(address) {
      const plain = unmapped(address)
      return isIP(plain) > 0 && list.check(plain, familyOf(plain))
    },
  }
}

/** What limits per address count by: the address, or of IPv6 its /64, which is what one customer
 * gets at least (RFC 6177). An IPv4 address in IPv6 clothes counts as itself (RFC 4291, section
 * 2.5.5.2); what is no address, as it is written. */
export function networkOf(address: string): string {
  const plain = unmapped(address)
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = (plain.split('%')[0] ?? '').split('::')
  const groups = head === '' ? [] : head.split(':')
  // Groups are missing only where `::` stands; a tail that reaches into the network is long.
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const width = after.length + (after.at(-1)?.includes('.') ? 1 : 0)
  const zeros = tail === undefined ? 0 : 8 - groups.length - width
  const all = [...groups, ...Array<string>(zeros).fill('0'), ...after]
  const network = all.slice(0, groupsOfNetwork).map((group) => Number.parseInt(group, 16))
  return `${network.map((group) => group.toString(16)).join(':')}::/64`
}

function parseNetwork(text: string): { address: string; bits: number } | undefined {
  const [address = '', digits, more] = text.split('/')
  const bitsMax = isIPv6(address) ? 128 : 32
  const bits = digits === undefined ? bitsMax : /^\d{1,3}$/.test(digits) ? Number(digits) : 129
  const isGood = isIP(address) > 0 && bits <= bitsMax && more === undefined
  return isGood && !address.includes('%') ? { address, bits } : undefined
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}

function unmapped(address: string): string {
  const plain = address.slice(mappedPrefix.length)
  const isMapped = address.toLowerCase().startsWith(mappedPrefix) && isIP(plain) === 4
  return isMapped ? plain : address
}
