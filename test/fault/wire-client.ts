// A bare MQTT client for fault tests: it says exactly what it is told to, hands over what it hears
// in the pieces in which it came, and repeats nothing by itself.

import { connect } from 'node:net'
import mqtt, { type Packet } from 'mqtt-packet'

export interface WireClient {
  readonly sessionPresent: boolean
  /** Writes packets in one piece; nothing happens when the connection is gone. */
  send(packets: readonly Packet[]): void
  subscribe(filters: readonly string[]): Promise<void>
  /** Resolves when the server has answered a PINGREQ, and so handled all that was sent before. */
  ping(): Promise<void>
  isOpen(): boolean
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>
  /** Says DISCONNECT, and resolves when the connection is gone. */
  disconnect(): Promise<void>
  /** Cuts the connection. */
  cut(): void
}

export interface WireOptions {
  readonly port: number
  readonly user: string
  readonly device: string
  readonly token: string
  /** Told of what came, except the answers to `subscribe` and `ping`. */
  readonly heard: (packets: readonly Packet[]) => void
}

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

interface Question {
  readonly command: string
  readonly answered: (packet: Packet) => void
  readonly failed: (why: string) => void
}

const answerMs = 10_000
const answers: ReadonlySet<string> = new Set(['connack', 'suback', 'pingresp'])

/** Connects a device with `clean=false`; cut when the test ends. Rejects when it is refused. */
export async function connectWire(t: Owner, options: WireOptions): Promise<WireClient> {
  const socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true })
  t.teardown(() => void socket.destroy())
  /** What is asked and not answered yet, oldest first. */
  const asked = new Set<Question>()
  let open = true
  const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()))
  listen()

  function listen(): void {
    const parser = mqtt.parser({ protocolVersion: 4 })
    let batch: Packet[] = []
    parser.on('packet', (packet) => {
      if (!answers.has(packet.cmd)) batch.push(packet)
      else [...asked].find(({ command }) => command === packet.cmd)?.answered(packet)
    })
    socket.on('data', (chunk) => {
      parser.parse(chunk)
      const packets = batch
      batch = []
      if (packets.length > 0) options.heard(packets)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      open = false
      for (const { failed } of asked) failed('lost its connection')
    })
  }

  const send = (packets: readonly Packet[]) => {
    if (!open || packets.length === 0) return
    socket.write(Buffer.concat(packets.map((packet) => mqtt.generate(packet))))
  }

  const ask = async <Command extends Packet['cmd']>(packet: Packet, command: Command) => {
    const answer = await new Promise<Packet>((resolve, reject) => {
      const done = () => {
        clearTimeout(timer)
        asked.delete(question)
      }
      const question: Question = {
        command,
        answered(packet) {
          done()
          resolve(packet)
        },
        failed(why) {
          done()
          reject(new Error(`${options.user}/${options.device} ${why}`))
        },
      }
      const timer = setTimeout(() => question.failed(`got no ${command}`), answerMs)
      asked.add(question)
      if (open) send([packet])
      else question.failed('has no connection')
    })
    return answer as Extract<Packet, { cmd: Command }>
  }

  const connack = await ask(connectPacket(options), 'connack').catch((error: Error) => {
    socket.destroy()
    throw error
  })
  if (connack.returnCode !== 0) throw new Error(`refused with code ${connack.returnCode}`)
  return {
    sessionPresent: connack.sessionPresent,
    send,
    async subscribe(filters) {
      const subscriptions = filters.map((topic) => ({ topic, qos: 1 as const }))
      const { granted } = await ask({ cmd: 'subscribe', messageId: 1, subscriptions }, 'suback')
      if (granted.some((code) => code !== 1)) throw new Error(`granted ${granted.join()}`)
    },
    ping: async () => void (await ask({ cmd: 'pingreq' }, 'pingresp')),
    isOpen: () => open,
    closed,
    cut: () => void socket.destroy(),
    async disconnect() {
      send([{ cmd: 'disconnect' }])
      await closed
    },
  }
}

function connectPacket({ user, device, token }: WireOptions): Packet {
  return {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId: device,
    clean: false,
    keepalive: 0,
    username: user,
    password: Buffer.from(token),
  }
}
