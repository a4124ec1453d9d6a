// server.json in the data folder: how other commands find the server that runs on it. Written once
// it listens, removed when it stops; after a crash it stays, and a dead pid tells.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A listener's address. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** server.json. URLs are those to connect to; undefined where the server does not listen. */
export interface ServerRecord {
  readonly pid: number
  readonly http: string | undefined
  readonly mqtt: string | undefined
  readonly version: string
}

const bytesMax = 4096

type Scheme = 'mqtt' | 'mqtts' | 'http' | 'https'

/** The URL of a listener as it is bound. */
export function listenUrl(scheme: Scheme, address: ListenAddress): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${scheme}://${host}:${address.port}`
}

/** The host to connect to from the same machine: loopback for a listener on all interfaces. */
export function connectHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

/** Writes server.json, readable by this user only; all at once, so that no reader sees a part. In a
 * cluster the folder holds nothing else, and may not be there yet. */
export function writeServerFile(folder: string, record: ServerRecord): void {
  if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 })
  const draft = join(folder, `server.json.${record.pid}`)
  writeFileSync(draft, `${JSON.stringify(record)}\n`, { mode: 0o600 })
  renameSync(draft, serverFile(folder))
}

/** Removes server.json if it is this process's own. */
export function removeServerFile(folder: string, pid: number): void {
  if (readRecord(folder)?.pid === pid) rmSync(serverFile(folder), { force: true })
}

/** The server that runs on the folder; undefined when none does, or it left its file in a crash. */
export function findServer(folder: string): ServerRecord | undefined {
  const record = readRecord(folder)
  return record !== undefined && isRunning(record.pid) ? record : undefined
}

function serverFile(folder: string): string {
  return join(folder, 'server.json')
}

function readRecord(folder: string): ServerRecord | undefined {
  let content: unknown
  try {
    const text = readFileSync(serverFile(folder), 'utf8')
    content = text.length > bytesMax ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof content !== 'object' || content === null) return undefined
  const { pid, http, mqtt, version } = content as Record<string, unknown>
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined
  return { pid, http: textOf(http), mqtt: textOf(mqtt), version: textOf(version) ?? 'unknown' }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Another user's process cannot be signalled, but it is there.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
