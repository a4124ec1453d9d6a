// A WebSocket as a stream of bytes, with a real client and server of ws on loopback.

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { WebSocketStream } from '../../../broker/doors/web-socket-stream.ts'
import { bytesOf } from '../../support/raw-client.ts'
import { until } from '../../support/until.ts'

interface Pair {
  readonly client: WebSocket
  /** The server's end of the network. */
  readonly socket: Socket
  readonly stream: WebSocketStream
}

/** A connected client, and the server's stream. */
async function connect(
  t: Pick<Test, 'teardown'>,
  maxPayload = 1_000_000,
  isTrusted = true,
): Promise<Pair> {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    maxPayload,
    autoPong: false,
  })
  await once(server, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  client.on('error', () => {})
  const [[webSocket, request]] = await Promise.all([
    once(server, 'connection'),
    once(client, 'open'),
  ])
  const { socket } = request as IncomingMessage
  const stream = new WebSocketStream(webSocket, { socket, preConnectBytesMax: 16_384 })
  if (isTrusted) stream.trust()
  t.teardown(async () => {
    client.terminate()
    stream.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return { client, socket, stream }
}

/** The client's end of the network. */
function networkOf(client: WebSocket): Socket {
  return (client as unknown as { readonly _socket: Socket })._socket
}

/** Keeps what the stream brings. */
function collect(stream: WebSocketStream): Buffer[] {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return chunks
}

const sizeOf = (chunks: readonly Buffer[]) => chunks.reduce((sum, { length }) => sum + length, 0)

t.test('bytes go both ways unchanged, of any frame size, empty ones too', async (t) => {
  const { client, stream } = await connect(t)
  const received = collect(stream)
  const returned: Buffer[] = []
  client.on('message', (data) => returned.push(data as Buffer))
  const sent = [1, 0, 125, 126, 65_535, 65_536, 0, 300_000].map((size, index) =>
    Buffer.alloc(size, index + 1),
  )
  for (const bytes of sent) client.send(bytes)
  await until('all came', () => sizeOf(received) === sizeOf(sent))
  t.ok(Buffer.concat(received).equals(Buffer.concat(sent)))
  for (const bytes of sent) stream.write(bytes)
  await until('all went back', () => sizeOf(returned) === sizeOf(sent))
  t.ok(Buffer.concat(returned).equals(Buffer.concat(sent)))
})

t.test('each packet of a joined write is a frame of its own', async (t) => {
  const { client, stream } = await connect(t)
  const frames: Buffer[] = []
  client.on('message', (data) => frames.push(data as Buffer))
  const packets = [0, 10, 300, 70_000].map((size, index) =>
    bytesOf(0x30, Buffer.alloc(size, index)),
  )
  stream.write(Buffer.concat(packets))
  stream.cork()
  for (const packet of packets) stream.write(packet)
  stream.uncork()
  await until('all came', () => frames.length >= 8)
  t.same(frames, [...packets, ...packets])
})

t.test('pings are answered, of many that wait the newest', async (t) => {
  const { client, stream } = await connect(t)
  collect(stream)
  const pongs: string[] = []
  client.on('pong', (data) => pongs.push(String(data)))
  client.ping('one')
  await until('an answer', () => pongs.length > 0)
  const raw = networkOf(client)
  raw.cork()
  for (let i = 0; i < 1000; i++) client.ping(`${i}`)
  raw.uncork()
  await until('the newest is answered', () => pongs.includes('999'))
  t.ok(pongs.length < 900, `${pongs.length} answers`)
})

t.test('a peer that pings without reading costs a bounded amount of memory', async (t) => {
  const { client, stream, socket } = await connect(t)
  collect(stream)
  const raw = networkOf(client)
  raw.pause()
  const data = Buffer.alloc(125)
  const pings = 400_000
  let heldMax = 0
  for (let sent = 0; sent < pings; sent += 1000) {
    raw.cork()
    for (let i = 0; i < 1000; i++) client.ping(data)
    raw.uncork()
    await until('they are sent', () => raw.writableLength === 0)
    heldMax = Math.max(heldMax, socket.writableLength)
  }
  t.ok(heldMax < 1000, `${heldMax} bytes of answers waited`)
  raw.resume()
  client.send(Buffer.from('still here'))
  await until('it is heard', () => stream.heardBytes() > pings * data.length)
})

t.test('a text frame ends the connection with 1003 [MQTT-6.0.0-1]', async (t) => {
  const { client, stream } = await connect(t)
  collect(stream)
  client.send('text')
  const [code] = await once(client, 'close')
  t.equal(code, 1003)
  await until('the input has ended', () => stream.readableEnded)
})

t.test('nothing that follows a text frame is taken [MQTT-6.0.0-1]', async (t) => {
  const { client, stream } = await connect(t)
  const received = collect(stream)
  client.send(Buffer.from('before'))
  client.send('text')
  client.send(Buffer.from('after'))
  await until('the input has ended', () => stream.readableEnded)
  t.equal(Buffer.concat(received).toString(), 'before')
})

t.test('a client that closes ends the stream, after what it sent', async (t) => {
  const { client, stream } = await connect(t)
  const received = collect(stream)
  let hasEnded = false
  stream.on('end', () => {
    hasEnded = true
  })
  client.send(Buffer.from('last words'))
  client.close()
  await until('the input has ended', () => stream.readableEnded)
  t.equal(Buffer.concat(received).toString(), 'last words')
  t.equal(hasEnded, true)
})

t.test('what a client sent before it closed can be read by one who reads late', async (t) => {
  // A connection stops reading while an answer is pending; over TCP nothing is lost by that.
  const { client, stream } = await connect(t)
  stream.pause()
  client.send(Buffer.from('PUBLISH '))
  client.send(Buffer.from('DISCONNECT'))
  client.close()
  await until('the client is done', () => client.readyState === WebSocket.CLOSED)
  const received = collect(stream)
  stream.resume()
  await until('the input has ended', () => stream.readableEnded)
  t.equal(Buffer.concat(received).toString(), 'PUBLISH DISCONNECT')
})

t.test('a reader that stops makes the sender stop, and loses nothing', async (t) => {
  const { client, stream } = await connect(t)
  stream.pause()
  const frame = Buffer.alloc(10_000, 1)
  const total = 3000
  for (let i = 0; i < total; i++) client.send(frame)
  await until('the sender is held', () => stream.readableLength > 0 && client.bufferedAmount > 0)
  let before = -1
  await until('nothing moves any more', async () => {
    const last = before
    before = client.bufferedAmount
    await new Promise((resolve) => setTimeout(resolve, 50))
    return last === client.bufferedAmount
  })
  t.ok(stream.readableLength < 200_000, `${stream.readableLength} bytes are held here`)
  t.ok(client.bufferedAmount > frame.length * 1000, 'most is still at the sender')
  const received = collect(stream)
  stream.resume()
  await until('all came', () => sizeOf(received) === frame.length * total)
})

t.test('a peer that reads nothing makes the writer stop', async (t) => {
  const { client, stream } = await connect(t)
  client.pause()
  const chunk = Buffer.alloc(50_000)
  let taken = 0
  const pump = () => {
    while (!stream.writableNeedDrain && taken < 50_000_000) {
      stream.write(chunk, () => {
        taken += chunk.length
      })
    }
  }
  stream.on('drain', pump)
  pump()
  let before = -1
  await until('nothing moves any more', async () => {
    const isStill = before === taken
    before = taken
    await new Promise((resolve) => setTimeout(resolve, 50))
    return isStill && stream.writableNeedDrain
  })
  t.ok(taken < 20_000_000, `${taken} bytes were taken by the system`)
  t.ok(stream.writableLength <= 200_000, `${stream.writableLength} bytes wait here`)
  const stopped = taken
  client.resume()
  await until('it goes on', () => taken > stopped)
})

t.test('ending the stream closes the connection after what was written', async (t) => {
  const { client, stream } = await connect(t)
  const frames: string[] = []
  client.on('message', (data) => frames.push(String(data)))
  stream.write('last words')
  stream.end()
  await once(client, 'close')
  t.same(frames, ['last words'])
  await until('the stream is closed', () => stream.closed)
})

t.test('destroying the stream cuts the connection', async (t) => {
  const { client, stream } = await connect(t)
  stream.destroy()
  const [code] = await once(client, 'close')
  t.equal(code, 1006)
})

t.test('a frame above the bound is told with 1009, and ends the input', async (t) => {
  const { client, stream } = await connect(t, 1000)
  const received = collect(stream)
  client.send(Buffer.alloc(1000))
  client.send(Buffer.alloc(1001))
  client.send(Buffer.alloc(1))
  const [code] = await once(client, 'close')
  t.equal(code, 1009)
  await until('the input has ended', () => stream.readableEnded)
  t.equal(sizeOf(received), 1000)
})

t.test('writing after the peer has gone harms nobody', async (t) => {
  const { client, stream } = await connect(t)
  collect(stream)
  client.terminate()
  stream.write('into the void')
  await until('the input has ended', () => stream.readableEnded)
  stream.write('again')
  t.equal(stream.destroyed, false, 'its owner ends it')
  stream.end()
  await until('the stream is closed', () => stream.closed)
})

t.test('a peer that is not trusted cannot make ws keep a large unfinished frame', async (t) => {
  const { client, stream } = await connect(t, 1_000_000, false)
  const received = collect(stream)
  for (let i = 0; i < 10; i++) client.send(Buffer.alloc(10_000))
  await until('finished frames are taken', () => sizeOf(received) === 100_000)
  // The header of a frame of 500,000 bytes, and less than that of them.
  const raw = networkOf(client)
  raw.write(Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 7, 0xa1, 0x20, 0, 0, 0, 0]))
  raw.write(Buffer.alloc(20_000))
  await until('it is cut', () => stream.destroyed)
  t.equal(sizeOf(received), 100_000)
})

t.test('a trusted peer may send large frames', async (t) => {
  const { client, stream } = await connect(t)
  const received = collect(stream)
  client.send(Buffer.alloc(500_000))
  await until('it came', () => sizeOf(received) === 500_000)
  t.equal(stream.destroyed, false)
})
