// Python's paho-mqtt behind a network that loses the answers of the server and then breaks: what it
// sends again on its next connection is stored once, though the messages have no ids.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import mqtt from 'mqtt-packet'
import t, { type Test } from 'tap'
import { connectDevice } from '../support/chat-client.ts'
import { requireProgram } from '../support/programs.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const { command, skip } = requireProgram('paho')
const script = fileURLToPath(new URL('../../../test/clients/paho/redeliver.py', import.meta.url))

interface Network {
  readonly port: number
  /** Whether what the server says is lost from now on. */
  setDeaf(isDeaf: boolean): void
  /** Breaks all connections. */
  cut(): void
  /** PUBLISH packets with DUP that went to the server. */
  repeats(): number
}

/** Stands between clients and the server. */
async function makeNetwork(t: Test, serverPort: number): Promise<Network> {
  const sockets = new Set<Socket>()
  let isDeaf = false
  let repeats = 0
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  }
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  const network = createServer((client) => {
    const server = connect({ host: '127.0.0.1', port: serverPort })
    for (const socket of [client, server]) keep(socket)
    const parser = mqtt.parser({ protocolVersion: 4 })
    parser.on('packet', (packet) => {
      if (packet.cmd === 'publish' && packet.dup) repeats++
    })
    client.on('data', (chunk: Buffer) => {
      parser.parse(chunk)
      server.write(chunk)
    })
    server.on('data', (chunk: Buffer) => {
      if (!isDeaf) client.write(chunk)
    })
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
  })
  network.listen(0, '127.0.0.1')
  await once(network, 'listening')
  t.teardown(() => {
    network.close()
    cut()
  })
  return {
    port: (network.address() as { port: number }).port,
    setDeaf(value) {
      isDeaf = value
    },
    cut,
    repeats: () => repeats,
  }
}

for (const qos of [1, 2] as const) {
  const title = `what paho-mqtt sends again at QoS ${qos} is stored once [MQTT-4.4.0-1]`
  t.test(title, { skip }, async (t) => {
    const server = await startTestServer(t)
    await server.addGroup('team', ['alice', 'bob'])
    const bob = await connectDevice(t, server, { user: 'bob', id: 'phone' })
    await bob.mqtt.subscribeAsync('g/team/msg', { qos: 1 })
    const network = await makeNetwork(t, server.mqttPort)
    const paced = ['a', 'b', 'c', 'd', 'e']
    // The same text again and again: only the packet ids tell them apart.
    const burst = Array.from({ length: 10 }, () => 'again')
    const child = spawn(command as string, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
    t.teardown(() => void child.kill())
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    const token = await server.token('alice')
    const settings = { port: network.port, token, qos, paced, burst }
    child.stdin.write(`${JSON.stringify(settings)}\n`)
    await until('it has published', () => output.includes('# ready'))
    network.setDeaf(true)
    child.stdin.write('\n')
    await until('all are stored', () => bob.texts().length >= paced.length + burst.length)
    network.setDeaf(false)
    network.cut()
    const [code] = await once(child, 'close')
    t.equal(code, 0)
    t.match(output, /# done/, 'all was acknowledged')
    t.equal(network.repeats(), burst.length, 'all came again')
    bob.mqtt.publish('g/team/msg', 'end', { qos: 1 })
    await until('the end', () => bob.texts().includes('end'))
    t.same(bob.texts(), [...paced, ...burst, 'end'])
  })
}
