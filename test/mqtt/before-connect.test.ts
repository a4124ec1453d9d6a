// What strangers cost who never connect: a bounded amount of memory, and of time. The server is a
// process of its own, so that its memory is its own.

import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { startServer } from '../fault/server-program.ts'
import { temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'
import { makeBystanders } from './bystanders.ts'

const mebibyte = 1_048_576
const announced = 100 * mebibyte
const floodMs = 4000
/** MiB, for 42 peers or more. Bare aedes grows by 1,150 for 14 that announce 100 MiB. Most of
 * what is seen here are buffers that are free, and not collected yet. */
const growthMax = 192

const lines = (...text: string[]) => Buffer.from(`${text.join('\r\n')}\r\n\r\n`)
const upgrade = lines(
  'GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13',
  'Sec-WebSocket-Protocol: mqtt',
)
/** The fixed header of a CONNECT of 100 MiB. */
const connectOfAnnounced = Buffer.from([0x10, 0x80, 0x80, 0x80, 0x32])
/** The same of 10 KB, which is within the bound, and never comes to its end. */
const connectOfSome = Buffer.from([0x10, 0x90, 0x4e, 0, 4])

/** A masked binary frame's header for so many bytes. */
function frameOf(bytes: number, isFinal = true): Buffer {
  const header = Buffer.alloc(14)
  header.set([isFinal ? 0x82 : 0x02, 0xff])
  header.writeUInt32BE(bytes, 6)
  return header
}

/** How a peer begins, and what it goes on with as fast as it can. */
interface Flood {
  readonly first: Buffer
  readonly more: Buffer
}

const filler = Buffer.alloc(mebibyte, 0x61)
const floods: Record<'TCP' | 'WebSocket' | 'HTTP', Record<string, Flood>> = {
  TCP: {
    'a CONNECT of 100 MiB': { first: connectOfAnnounced, more: filler },
    'half a CONNECT, and rubbish': { first: connectOfSome, more: filler },
    'no MQTT': { first: filler, more: filler },
  },
  WebSocket: {
    'a frame of 100 MiB': { first: Buffer.concat([upgrade, frameOf(announced)]), more: filler },
    'a large CONNECT in an allowed frame': {
      first: Buffer.concat([upgrade, frameOf(500_000), connectOfAnnounced]),
      more: filler,
    },
    'a message of very many frames': {
      first: Buffer.concat([upgrade, frameOf(1, false), Buffer.of(0x10)]),
      more: Buffer.alloc(70_000, Buffer.from([0x00, 0x81, 0, 0, 0, 0, 0x61])),
    },
    'pings without end': {
      first: upgrade,
      more: Buffer.alloc(60_000, Buffer.from([0x89, 0x80, 0, 0, 0, 0])),
    },
  },
  HTTP: {
    'a header of 100 MiB': { first: Buffer.from('GET / HTTP/1.1\r\na: '), more: filler },
    'headers without end': {
      first: Buffer.from('GET / HTTP/1.1\r\n'),
      more: Buffer.alloc(60_000, 'a: b\r\n'),
    },
    'a body of 100 MiB': {
      first: lines(`POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: ${announced}`),
      more: filler,
    },
  },
}

/** A peer that floods, never reads, and comes again when it is cut. Returns how often it was. */
function flood(t: Test, port: number, { first, more }: Flood): () => number {
  let cuts = 0
  let isOver = false
  const begin = () => {
    const socket = connect({ host: '127.0.0.1', port })
    const write = () => {
      while (!socket.destroyed && socket.write(more));
    }
    socket.on('error', () => {})
    socket.on('drain', write)
    socket.once('connect', () => {
      socket.write(first)
      write()
    })
    socket.once('close', () => {
      cuts++
      if (!isOver) setTimeout(begin, 20)
    })
    t.teardown(() => {
      isOver = true
      socket.destroy()
    })
  }
  begin()
  return () => cuts
}

/** Resident memory of a process, MiB. */
function residentOf(pid: number): number {
  const [, kibibytes] =
    /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kibibytes) / 1024
}

const skip = process.platform === 'linux' ? false : 'needs /proc'
const peersOfEach = 14

for (const door of ['TCP', 'WebSocket', 'HTTP'] as const) {
  t.test(
    `peers that flood without CONNECT over ${door} cost little memory`,
    { skip },
    async (t) => {
      const server = await startServer(t, temporaryFolder(t), ['--log-level', 'error'])
      for (const user of ['carol', 'dave']) await server.token(user)
      const bystanders = await makeBystanders(t, server)
      await bystanders.areUnharmed(t)
      const before = residentOf(server.pid)
      const port = door === 'TCP' ? server.mqttPort : server.httpPort
      const peers = Object.entries(floods[door]).flatMap(([what, each]) =>
        Array.from({ length: peersOfEach }, () => ({ what, cuts: flood(t, port, each) })),
      )
      let highest = before
      const from = Date.now()
      await until('the flood is over', async () => {
        await bystanders.areUnharmed(t)
        highest = Math.max(highest, residentOf(server.pid))
        return Date.now() - from > floodMs
      })
      const growth = Math.round(highest - before)
      t.ok(growth < growthMax, `it grew by ${growth} MiB`)
      const uncut = () => peers.filter(({ cuts }) => cuts() === 0).map(({ what }) => what)
      await until('each of them is cut', () => uncut().length === 0, 60_000)
      t.same(uncut(), [], 'each of them was cut')
    },
  )
}
