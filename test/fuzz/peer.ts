// Plays a script against a server, and holds the server to what it owes every peer: a connection
// ends, or stays useful, and what it says is MQTT.

import type { Packet } from 'mqtt-packet'
import mqtt from 'mqtt-packet'
import { generate } from '../broker/edge/support/properties.ts'
import { until } from '../support/until.ts'
import { frameOf } from './frames.ts'
import type { Doors, Line } from './line.ts'
import { openLine } from './line.ts'
import { mutate } from './mutations.ts'
import type { ClientPacket } from './packets.ts'
import { patience } from './patience.ts'
import type { Script } from './script.ts'

export interface Outcome {
  /** Packets that were sent, damaged ones too. */
  readonly sent: number
  /** The server let the client in. */
  readonly wasAccepted: boolean
}

/** The server's `connectTimeoutMs`. */
export const connectTimeoutMs = 1500
/** A server closes after a second at the latest, and a busy machine may take its time. */
const endsWithinMs = 6000

/** Plays the script. Rejects with what the server failed to do. */
export async function play(script: Script, doors: Doors): Promise<Outcome> {
  const ear = makeEar(script)
  const line = await openLine(script.transport, doors, ear.heard)
  if (line === undefined) return { sent: 0, wasAccepted: false }
  ear.answersThrough(line)
  if (script.readsLate) line.pause()
  await sendPieces(script, line)
  line.resume()
  try {
    await conclude(script, line, ear)
  } finally {
    line.cut()
  }
  return { sent: script.packets.length, wasAccepted: ear.wasAccepted() }
}

async function sendPieces(script: Script, line: Line): Promise<void> {
  const stream = Buffer.concat(script.packets)
  const ends = [...script.cuts.map((cut) => Math.floor(cut * stream.length)), stream.length]
  let at = 0
  const pieces: Buffer[] = []
  for (const end of ends.sort((a, b) => a - b)) {
    pieces.push(stream.subarray(at, end))
    at = end
  }
  const sent =
    script.transport === 'brokenWebSocket'
      ? mutate(pieces.map(frameOf), script.frameDamage)
      : pieces
  for (const piece of sent) {
    line.write(piece)
    // So that the pieces are not joined again.
    await new Promise((resolve) => setImmediate(resolve))
    if (line.isClosed()) return
  }
}

async function conclude(script: Script, line: Line, ear: Ear): Promise<void> {
  if (script.ending === 'cut') return
  if (script.isSound && script.ending === 'disconnect') return ended(line, 'after DISCONNECT')
  if (script.isSound) await staysUseful(script, line, ear)
  // Who did not get in is sent away by the server; who did may stay.
  const isStranger = script.ending === 'wait' && script.transport !== 'brokenWebSocket'
  if (isStranger && !ear.wasAccepted()) {
    await until(
      'a CONNACK, or the end',
      () => line.isClosed() || ear.wasAccepted(),
      connectTimeoutMs + patience(endsWithinMs),
    )
  }
  line.close()
  await ended(line, 'after its peer closed it')
}

async function staysUseful(script: Script, line: Line, ear: Ear): Promise<void> {
  ear.acknowledges()
  line.write(generate({ cmd: 'pingreq' }, script.level))
  const isUseful = () => line.isClosed() || ear.hasPong()
  await until('PINGRESP, or the end, after a sound session', isUseful, patience(endsWithinMs))
  const fault = ear.fault()
  if (fault !== undefined) throw new Error(`the server sent what is not MQTT: ${fault}`)
}

function ended(line: Line, when: string): Promise<void> {
  return until(`the connection ends ${when}`, () => line.isClosed(), patience(endsWithinMs))
}

interface Ear {
  heard(bytes: Buffer): void
  answersThrough(line: Line): void
  /** From now on acknowledges what comes. */
  acknowledges(): void
  wasAccepted(): boolean
  hasPong(): boolean
  /** What was wrong with what came. */
  fault(): string | undefined
}

/** Listens as a client of the script's level. */
function makeEar(script: Script): Ear {
  const parser = mqtt.parser({ protocolVersion: script.level })
  const pings = script.packets.filter((packet) => packet[0] === 0xc0).length
  let line: Line | undefined
  let acknowledges = false
  let wasAccepted = false
  let pongs = 0
  let fault: string | undefined
  parser.on('error', (error: Error) => {
    fault ??= error.message
  })
  parser.on('packet', (packet) => {
    if (packet.cmd === 'pingresp') pongs++
    if (packet.cmd === 'connack') wasAccepted ||= (packet.returnCode ?? packet.reasonCode) === 0
    const answer = answerTo(packet)
    if (acknowledges && answer !== undefined) line?.write(generate(answer, script.level))
  })
  return {
    heard: (bytes) => void parser.parse(bytes),
    answersThrough: (given) => {
      line = given
    },
    acknowledges: () => {
      acknowledges = true
    },
    wasAccepted: () => wasAccepted,
    hasPong: () => pongs > pings,
    fault: () => fault,
  }
}

function answerTo({ cmd, messageId = 0, ...rest }: Packet): ClientPacket | undefined {
  if (cmd === 'pubrel') return { cmd: 'pubcomp', messageId }
  if (cmd !== 'publish' || !('qos' in rest) || rest.qos === 0) return undefined
  return { cmd: rest.qos === 1 ? 'puback' : 'pubrec', messageId }
}
