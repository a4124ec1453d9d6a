// Pairs of users who talk all the time while others break things: each message must arrive within
// a second.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import type { IClientOptions } from 'mqtt'
import mqtt from 'mqtt'
import { until } from '../support/until.ts'
import type { Doors } from './line.ts'
import { patience } from './patience.ts'

/** One who speaks, one who listens, and how. */
export interface Pair {
  readonly topic: string
  readonly level: 3 | 4 | 5
  readonly webSocket: boolean
  readonly speaker: Person
  readonly listener: Person
}

interface Person {
  readonly user: string
  readonly token: string | undefined
}

export interface Neighbours {
  /** The longest a message took so far, ms, less what this process slept itself; and how many
   * arrived. Throws when one did not. */
  report(): { readonly worstMs: number; readonly heard: number }
  stop(): Promise<void>
}

const lostAfterMs = 10_000
const paceMs = 20

/** Connects the pairs, and lets them talk until `stop`. */
export async function startNeighbours(doors: Doors, pairs: readonly Pair[]): Promise<Neighbours> {
  const talks = await Promise.all(pairs.map((pair) => startTalk(doors, pair)))
  return {
    report() {
      for (const { failure } of talks) if (failure() !== undefined) throw failure()
      return {
        worstMs: Math.max(...talks.map(({ worstMs }) => worstMs())),
        heard: talks.reduce((sum, { heard }) => sum + heard(), 0),
      }
    },
    stop: async () => void (await Promise.all(talks.map(({ stop }) => stop()))),
  }
}

async function startTalk(doors: Doors, pair: Pair) {
  const listener = await join(doors, pair, pair.listener)
  const speaker = await join(doors, pair, pair.speaker)
  let newest = ''
  listener.on('message', (_topic, payload) => {
    newest = markOf(payload.toString())
  })
  await listener.subscribeAsync(pair.topic, { qos: 1 })
  // What this process itself was kept from running is not the server's doing.
  const ownLag = monitorEventLoopDelay({ resolution: 5 })
  ownLag.enable()
  let worstMs = 0
  let heard = 0
  let failure: unknown
  let stopped = false
  const talk = async () => {
    while (!stopped) {
      const mark = `${pair.topic} ${heard + 1}`
      const at = performance.now()
      ownLag.reset()
      speaker.publish(pair.topic, mark, { qos: 1 })
      await until(`the neighbour hears "${mark}"`, () => newest === mark, patience(lostAfterMs))
      worstMs = Math.max(worstMs, performance.now() - at - ownLag.max / 1e6)
      heard++
      await pause(paceMs)
    }
  }
  const done = talk().catch((error: unknown) => {
    failure = error
  })
  return {
    worstMs: () => worstMs,
    heard: () => heard,
    failure: () => failure,
    async stop() {
      stopped = true
      ownLag.disable()
      await done
      await Promise.all([speaker.endAsync(true), listener.endAsync(true)])
    },
  }
}

/** A chat message comes in its envelope, a plain one as it is. */
function markOf(payload: string): string {
  return payload.startsWith('{') ? String(JSON.parse(payload).text) : payload
}

async function join(doors: Doors, { webSocket, level }: Pair, { user, token }: Person) {
  const url = webSocket
    ? `ws://127.0.0.1:${doors.httpPort}/mqtt`
    : `mqtt://127.0.0.1:${doors.mqttPort}`
  const options: IClientOptions = {
    clientId: `${user}-${level}-${webSocket ? 'web' : 'tcp'}`,
    clean: true,
    reconnectPeriod: 0,
    protocolVersion: level,
    protocolId: level === 3 ? 'MQIsdp' : 'MQTT',
    ...(token === undefined ? {} : { username: user, password: token }),
  }
  return mqtt.connectAsync(url, options, false)
}
