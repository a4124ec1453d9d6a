// A broker that does what the load generator must notice: it loses, repeats and reorders messages.

import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import mqtt from 'mqtt-packet'

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

/** Of each ten messages it loses the 3rd, sends the 5th twice, and the 8th after the 9th. Everybody
 * who subscribes gets everything. Returns its port. */
export async function startFaultyBroker(t: Owner): Promise<number> {
  const subscribers = new Set<Socket>()
  const sockets = new Set<Socket>()
  let count = 0
  let kept: mqtt.IPublishPacket | undefined

  const deliver = (packet: mqtt.IPublishPacket): void => {
    const bytes = mqtt.generate({ ...packet, qos: 0, dup: false })
    for (const subscriber of subscribers) subscriber.write(bytes)
  }
  const take = (packet: mqtt.IPublishPacket): void => {
    const place = count++ % 10
    if (place === 3) return
    if (place === 8) {
      kept = packet
      return
    }
    deliver(packet)
    if (place === 5) deliver(packet)
    if (place === 9 && kept !== undefined) deliver(kept)
  }

  const server = createServer((socket) => {
    sockets.add(socket)
    const parser = mqtt.parser({ protocolVersion: 4 })
    parser.on('packet', (packet) => {
      const { messageId = 0 } = packet
      if (packet.cmd === 'connect') {
        socket.write(mqtt.generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }))
      } else if (packet.cmd === 'subscribe') {
        socket.write(mqtt.generate({ cmd: 'suback', messageId, granted: [0] }))
        subscribers.add(socket)
      } else if (packet.cmd === 'publish') {
        take(packet)
        socket.write(mqtt.generate({ cmd: 'puback', messageId }))
      }
    })
    socket.on('data', (chunk) => parser.parse(chunk))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
