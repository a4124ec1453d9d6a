// Packets that break a MUST of the specification, on TCP and on WebSocket: the connection ends, a
// client of level 5 is told why, and nobody else notices.

import type { Packet } from 'mqtt-packet'
import t from 'tap'
import { malformedPackets, toBytes } from '../support/malformed-packets.ts'
import { connectPacket, openRaw } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { makeBystanders } from './bystanders.ts'

const server = await startTestServer(t)
const bystanders = await makeBystanders(t, server)
await server.addUser('mallory')

const connect = 1

/** The reason code of the only packet that was sent after CONNACK; undefined when there is none. */
function goodbye(packets: readonly Packet[]): number | undefined {
  const [first, ...others] = packets
  if (first === undefined) return undefined
  return first.cmd === 'disconnect' && others.length === 0 ? (first.reasonCode ?? 0) : -1
}

for (const webSocket of [false, true]) {
  t.test(
    `over ${webSocket ? 'WebSocket' : 'TCP'} a broken packet ends its connection`,
    async (t) => {
      for (const [what, level, packet] of malformedPackets) {
        const bytes = toBytes(packet)
        const device = { user: 'mallory', id: 'phone', level, webSocket }
        const client = await openRaw(t, server, device)
        const isConnect = (bytes[0] as number) >> 4 === connect
        if (!isConnect) {
          client.send(await connectPacket(server, device, { clean: true }))
          await client.wait('connack')
        }
        client.send(bytes)
        await client.closed()
        const reason = goodbye(client.packets.slice(isConnect ? 0 : 1))
        if (isConnect || level < 5) t.equal(reason, undefined, `${what}: silently`)
        else t.ok(reason !== undefined && reason >= 0x80, `${what}: with reason ${reason}`)
      }
      await bystanders.areUnharmed(t)
    },
  )
}

t.test('a protocol name and level that do not belong together get CONNACK 1', async (t) => {
  for (const webSocket of [false, true]) {
    for (const packet of [
      "10 0004'MQTT' 03 02 0000 0001'a'",
      "10 0006'MQIsdp' 04 02 0000 0001'a'",
    ]) {
      const client = await openRaw(t, server, { webSocket })
      client.send(toBytes(packet))
      t.match(await client.wait('connack'), [{ returnCode: 1 }], '[MQTT-3.1.2-2]')
      await client.closed()
    }
  }
})

t.test('nothing but CONNECT may come first [MQTT-3.1.0-1]', async (t) => {
  for (const webSocket of [false, true]) {
    for (const packet of ['c0', 'e0', "30 0001't'", "82 0001 0001't' 00", '40 0001', 'd0', '00']) {
      const client = await openRaw(t, server, { webSocket })
      client.send(toBytes(packet))
      await client.closed()
      t.same(client.packets, [], packet)
    }
  }
})
