// All connections of a history, and what they carry.

import type { Line, LineEvents } from './line.ts'
import { makeLine } from './line.ts'
import type { Random } from './random.ts'
import type { Server } from './server.ts'

export interface Network {
  /** Opens a connection of a device to the server; undefined when it is turned away. */
  open(device: string, events: LineEvents, server: Server): Line | undefined
  /** Carries bytes on every line, at most as many as `bytesFor` says of its device; true when
   * something was on its way. */
  carry(bytesFor: (device: string) => number): boolean
  /** Ends every connection: the server's machine is gone, or the network. */
  orphanAll(): void
}

export interface NetworkParts {
  readonly random: Random
  readonly report: (violation: string) => void
  /** Most bytes the server may hold for one connection. */
  readonly unsentBytesMax: number
}

export function makeNetwork(parts: NetworkParts): Network {
  const { random, report, unsentBytesMax } = parts
  const lines = new Map<Line, string>()

  const checkBound = (line: Line, device: string) => {
    const unsent = line.unsentBytes()
    if (unsent > unsentBytesMax) report(`${device}: the server holds ${unsent} bytes for it`)
  }

  return {
    open(device, events, server) {
      const line = makeLine(events, { highWaterMark: random.choose(64, 256, 16_384) })
      const { socket } = line
      const { reception } = server
      if (reception.knock(device) !== undefined) {
        line.orphan()
        return undefined
      }
      const peer = { address: device, peer: device }
      const visitor = { socket, offeredToken: undefined, accepted: () => {} }
      reception.receive({ ...peer, ...visitor, transport: 'tcp' })
      lines.set(line, device)
      socket.once('close', () => lines.delete(line))
      return line
    },
    carry(bytesFor) {
      let isBusy = false
      for (const [line, device] of lines) {
        checkBound(line, device)
        if (line.isIdle()) continue
        isBusy = true
        line.carry(bytesFor(device))
      }
      return isBusy
    },
    orphanAll() {
      for (const line of lines.keys()) line.orphan()
    },
  }
}
