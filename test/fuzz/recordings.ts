// Sessions of real client programs, recorded by record.ts: each file holds what a client sent, in
// hexadecimal, named `<client>-<level>.hex`.

import { readdirSync, readFileSync } from 'node:fs'
import type { Packet } from 'mqtt-packet'
import mqtt from 'mqtt-packet'
import type { Recording } from './script.ts'

/** Beside the sources: the compiler does not copy it. */
const folder = new URL('../../../test/fuzz/sessions/', import.meta.url)

/** All recordings there are. */
export function readRecordings(): readonly Recording[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.hex'))
  return files.sort().map((name) => {
    const bytes = Buffer.from(
      readFileSync(new URL(name, folder), 'utf8').replaceAll(/\s/g, ''),
      'hex',
    )
    const packets: Packet[] = []
    const parser = mqtt.parser()
    parser.on('packet', (packet) => packets.push(packet))
    parser.parse(bytes)
    const [connect] = packets
    if (connect?.cmd !== 'connect') throw new Error(`${name} does not begin with CONNECT`)
    return { level: connect.protocolVersion ?? 4, packets }
  })
}
