// Addresses, and the networks that limits go by.

import t from 'tap'
import { isNetwork, makeNetworks, networkOf } from '../../protocol/networks.ts'

t.test('an address of IPv4 counts for itself, one of IPv6 for its /64', async (t) => {
  for (const [address, network] of [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::5:6:7:8:9', '2001:db8:0:5::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
    ['phone', 'phone'],
  ] as const) {
    t.equal(networkOf(address), network, address)
  }
})

t.test('a network is an address, or an address and how many bits of it count', async (t) => {
  for (const text of ['192.0.2.7', '192.0.2.0/24', '0.0.0.0/0', '::1', '2001:db8::/32', '::/128']) {
    t.ok(isNetwork(text), text)
  }
  for (const text of [
    '',
    'localhost',
    '192.0.2/24',
    '192.0.2.0/33',
    '192.0.2.0/',
    '192.0.2.0/-1',
    '192.0.2.0/8/8',
    '::1/129',
    '::1/1e1',
    'fe80::1%eth0',
  ]) {
    t.notOk(isNetwork(text), text)
    t.throws(() => makeNetworks([text]), TypeError)
  }
})

t.test('a set of networks has the addresses in them, however they are written', async (t) => {
  const networks = makeNetworks(['127.0.0.0/8', '192.0.2.7', '2001:db8::/32'])
  for (const address of ['127.1.2.3', '::ffff:127.0.0.1', '192.0.2.7', '2001:DB8:ff::1']) {
    t.ok(networks.has(address), address)
  }
  for (const address of ['128.0.0.1', '192.0.2.8', '::1', '2001:db9::1', '', 'localhost']) {
    t.notOk(networks.has(address), address)
  }
  t.notOk(makeNetworks([]).has('127.0.0.1'))
})
