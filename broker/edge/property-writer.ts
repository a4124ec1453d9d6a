// Writes the properties of MQTT 5 packets: measured first, then written in place.

import type { Properties, PropertyType } from './properties.ts'
import { propertyKinds } from './properties.ts'
import { PacketWriter, variableBytes } from './writer.ts'

/** Bytes of a block of properties without its length. */
export function measureProperties(properties: Properties): number {
  let bytes = 0
  for (const name of Object.keys(properties) as (keyof Properties)[]) {
    const { type } = propertyKinds[name]
    const value = properties[name]
    if (value === undefined) continue
    if (!Array.isArray(value)) bytes += 1 + measure(type, value)
    else for (const each of value) bytes += 1 + measure(type, each)
  }
  return bytes
}

/** Writes a block of properties with its length; `bytes` as they were measured. */
export function putProperties(writer: PacketWriter, properties: Properties, bytes: number): void {
  writer.variable(bytes)
  for (const name of Object.keys(properties) as (keyof Properties)[]) {
    const { id, type } = propertyKinds[name]
    const value = properties[name]
    if (value === undefined) continue
    for (const each of Array.isArray(value) ? value : [value]) {
      writer.byte(id)
      put(writer, type, each)
    }
  }
}

/** A block of properties with its length. */
export function writeProperties(properties: Properties): Buffer {
  const bytes = measureProperties(properties)
  const writer = new PacketWriter(variableBytes(bytes) + bytes)
  putProperties(writer, properties, bytes)
  return writer.buffer
}

const numberBytes = { flag: 1, byte: 1, uint16: 2, uint32: 4 } as const

function measure(type: PropertyType, value: unknown): number {
  if (type === 'pair') {
    const [name, text] = value as readonly [string, string]
    return 4 + Buffer.byteLength(name) + Buffer.byteLength(text)
  }
  if (type === 'text') return 2 + Buffer.byteLength(value as string)
  if (type === 'bytes') return 2 + (value as Buffer).length
  return type === 'variable' ? variableBytes(value as number) : numberBytes[type]
}

function put(writer: PacketWriter, type: PropertyType, value: unknown): void {
  if (type === 'pair') {
    const [name, text] = value as readonly [string, string]
    writer.text(name)
    writer.text(text)
  } else if (type === 'text') writer.text(value as string)
  else if (type === 'bytes') writer.bytes(value as Buffer)
  else if (type === 'flag') writer.byte(Number(value))
  else writer[type](value as number)
}
