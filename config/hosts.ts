// Which addresses to listen on are out of the reach of strangers.

import { BlockList, isIP, isIPv6 } from 'node:net'

/** Whether only this machine or a private network (RFC 1918, RFC 4193, link-local) can reach the
 * host. All interfaces, and names other than localhost, may be public. */
export function isPrivateHost(host: string): boolean {
  if (host === 'localhost') return true
  return isIP(host) > 0 && privateAddresses().check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

function privateAddresses(): BlockList {
  const list = new BlockList()
  list.addSubnet('127.0.0.0', 8, 'ipv4')
  list.addSubnet('10.0.0.0', 8, 'ipv4')
  list.addSubnet('172.16.0.0', 12, 'ipv4')
  list.addSubnet('192.168.0.0', 16, 'ipv4')
  list.addSubnet('169.254.0.0', 16, 'ipv4')
  list.addAddress('::1', 'ipv6')
  list.addSubnet('fc00::', 7, 'ipv6')
  list.addSubnet('fe80::', 10, 'ipv6')
  return list
}
