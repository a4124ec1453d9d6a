// The sending end of a load. A closed loop sends when an earlier message is acknowledged; an open
// loop sends by the clock, and its messages carry the time at which they were due: a broker that
// makes the generator wait does not hide it (coordinated omission).

import { type Client, openClient } from './client.ts'
import { microseconds } from './clock.ts'
import type { LoadOptions } from './options.ts'
import { publishTopic } from './packets.ts'
import type { Population } from './population.ts'
import { count, type Histogram, makeHistogram } from './statistics.ts'
import { fill, makeComposer } from './templates.ts'

/** What senders did; plain data. */
export interface Sent {
  sent: number
  acknowledged: number
  /** From when a message was sent, or should have been, to its PUBACK: while measuring. */
  readonly latencies: Histogram
}

export interface Sender {
  readonly client: Client
  /** Sends what is due and not sent yet, as far as unacknowledged messages allow. */
  proceed(now: number): void
  /** From when on it sends, µs, and until which number (exclusive). */
  begin(at: number, numbersMax: number): void
  stop(): void
  /** Whether it has sent all it may, and all of it was acknowledged. */
  isDone(): boolean
}

export interface Senders {
  readonly sent: Sent
  isMeasuring: boolean
  open(i: number): Promise<Sender>
}

/** Unacknowledged messages of one sender in an open loop: more wait until they may go. */
const openLoopInFlightMax = 20_000
/** Messages of QoS 0 sent in one turn. */
const burst = 50

/** `senders` is how many there are in all threads, among whom an open loop's rate is divided. */
export function makeSenders(
  options: LoadOptions,
  population: Population,
  { run, senders }: { readonly run: string; readonly senders: number },
): Senders {
  const sent: Sent = { sent: 0, acknowledged: 0, latencies: makeHistogram() }
  const gap = options.rate > 0 ? 1_000_000 / options.rate : 0
  const inFlightMax = gap > 0 ? openLoopInFlightMax : options.inflight
  const all: Senders = { sent, isMeasuring: false, open }

  async function open(i: number): Promise<Sender> {
    const topic = publishTopic(fill(options.pub, i, 0))
    const composer = makeComposer({ body: options.body, size: options.size, run, sender: i })
    const freeIds: number[] = []
    const sentAt: number[] = []
    let idsUsed = 0
    let number = 0
    let startAt = Number.POSITIVE_INFINITY
    let numbersMax = 0

    const send = (packetId: number, at: number): void => {
      sentAt[packetId] = at
      client.publish(topic, composer.compose(number++, Math.floor(at)), packetId)
      sent.sent++
    }
    /** When the next message is, or was, due: in a closed loop, now. */
    const dueAt = (now: number): number =>
      gap > 0 ? startAt + (i + number * senders) * gap : Math.max(startAt, now)

    const proceed = (now: number): void => {
      for (let turn = 0; number < numbersMax && dueAt(now) <= now; turn++) {
        if (options.qos === 0 && (client.isFull() || turn >= burst)) return
        const packetId = options.qos === 0 ? 0 : takeId()
        if (packetId === undefined) return
        send(packetId, dueAt(now))
      }
    }
    const takeId = (): number | undefined =>
      freeIds.pop() ?? (idsUsed < inFlightMax ? ++idsUsed : undefined)

    const client = await openClient({
      ...population.address('sender', { i, m: 0 }),
      clean: true,
      acknowledged(packetId) {
        const now = microseconds()
        sent.acknowledged++
        if (all.isMeasuring) count(sent.latencies, now - (sentAt[packetId] as number))
        freeIds.push(packetId)
        proceed(now)
      },
    })
    return {
      client,
      proceed,
      begin(at, max) {
        startAt = at
        numbersMax = max
      },
      stop() {
        numbersMax = 0
      },
      isDone: () => number >= numbersMax && freeIds.length === idsUsed,
    }
  }

  return all
}
