// One frame for each MQTT packet, as a client of ws reads them.

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { framePackets } from '../../../broker/doors/web-socket-frames.ts'
import { bytesOf } from '../../support/raw-client.ts'

/** Connects a client; returns what it makes of bytes that are written to it. */
async function openReader(t: Test): Promise<(frames: Buffer) => Promise<Buffer[]>> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const [webSocket, request] = (await once(server, 'connection')) as [WebSocket, IncomingMessage]
  t.teardown(async () => {
    client.terminate()
    await new Promise((resolve) => server.close(resolve))
  })
  let messages: Buffer[] = []
  client.on('message', (data) => messages.push(data as Buffer))
  return async (frames) => {
    messages = []
    request.socket.write(frames)
    webSocket.ping()
    await Promise.race([once(client, 'ping'), once(client, 'error')])
    return messages
  }
}

const packet = (size: number) => bytesOf(0x30, Buffer.alloc(size, size))

t.test('every packet is one frame, around every size at which headers change', async (t) => {
  const read = await openReader(t)
  const sizes = [0, 1, 122, 123, 124, 125, 126, 127, 128, 129, 16_383, 16_384, 16_385]
  const large = [65_530, 65_531, 65_532, 65_533, 65_535, 65_536, 70_000, 2_097_151, 2_097_152]
  const packets = [...sizes, ...large].map(packet)
  t.same(await read(framePackets(Buffer.concat(packets))), packets)
  for (const one of packets) t.same(await read(framePackets(one)), [one])
})

t.test('nothing makes no frame, and bytes that are no whole packet are not lost', async (t) => {
  const read = await openReader(t)
  t.equal(framePackets(Buffer.alloc(0)).length, 0)
  for (const rest of [Buffer.of(0x30), Buffer.of(0x30, 0x80), Buffer.of(0x30, 5, 1, 2)]) {
    const frames = framePackets(Buffer.concat([packet(3), rest]))
    t.same(await read(frames), [packet(3), rest])
  }
  const endless = Buffer.alloc(6, 0xff)
  t.same(Buffer.concat(await read(framePackets(endless))), endless)
})
