// The metrics of a crew: whichever process is asked, it answers for all of them, because they share
// a port and the one that is asked is another each time. The sum is made by who started them.

import type { Exposition, MetricValues, OwnExposition } from '../services/metrics/ports.ts'
import type { WorkerProcess } from './workers.ts'

/** Between the processes, as they travel. */
type Message =
  /** From a worker that is asked for metrics, and the answer. */
  | { readonly type: 'scrape'; readonly id: number }
  | { readonly type: 'scraped'; readonly id: number; readonly text?: string }
  /** To every worker, and the answer. */
  | { readonly type: 'gather'; readonly id: number }
  | { readonly type: 'gathered'; readonly id: number; readonly values: MetricValues }

/** How the two ends speak to each other: the process itself, in a worker. */
interface Channel {
  send?(message: object): unknown
  on(event: 'message', listener: (message: unknown) => void): unknown
}

/** How long the others may take, and the answer to a scrape, ms. */
const gatherMs = 2000
const scrapeMs = 5000
/** Most scrapes of one process that wait. */
const scrapesMax = 100

/** In a worker: an exposition of the sum. Its `text` rejects when there is no answer in time. */
export function shareMetrics(own: OwnExposition, channel: Channel): Exposition {
  const waiting = new Map<number, (text: string | undefined) => void>()
  let lastId = 0
  channel.on('message', (message) => {
    if (!isMessage(message)) return
    if (message.type === 'scraped') waiting.get(message.id)?.(message.text)
    if (message.type !== 'gather') return
    const answer = (values: MetricValues) =>
      channel.send?.({ ...message, type: 'gathered', values })
    own.values().then(answer, () => answer([]))
  })
  return {
    contentType: own.contentType,
    text() {
      if (waiting.size >= scrapesMax) return Promise.reject(new Error('too many scrapes at a time'))
      const id = ++lastId
      return new Promise<string>((resolve, reject) => {
        const late = setTimeout(() => reject(new Error('the metrics did not come')), scrapeMs)
        waiting.set(id, (text) => {
          clearTimeout(late)
          if (text === undefined) reject(new Error('the metrics could not be added up'))
          else resolve(text)
        })
        channel.send?.({ type: 'scrape', id })
      }).finally(() => waiting.delete(id))
    },
  }
}

export interface MetricsHub {
  /** Something a worker said; what is not of metrics is ignored. */
  heard(worker: WorkerProcess, message: object): void
  /** A worker has ended; what it counted stays in the sum. */
  ended(worker: WorkerProcess): void
}

interface HubParts {
  /** Those to ask. */
  readonly workers: () => readonly WorkerProcess[]
  readonly sum: MetricsSum
}

/** Adds up what processes say. */
export type MetricsSum = (
  all: readonly MetricValues[],
) => Promise<{ readonly text: string; readonly values: MetricValues }>

/** Answers the scrapes of workers. Who does not answer in time counts as it did the last time, and
 * the counters of who has ended stay, so that no sum goes down. */
export function makeMetricsHub({ workers, sum }: HubParts): MetricsHub {
  const known = new Map<WorkerProcess, MetricValues>()
  let ofEnded: Promise<MetricValues> = Promise.resolve([])
  let round = 0
  let gathering: Promise<string> | undefined
  let answered: (worker: WorkerProcess, id: number) => void = () => {}

  const gather = async () => {
    const id = ++round
    const missing = new Set(workers())
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, gatherMs)
      answered = (worker, answeredId) => {
        if (answeredId === id) missing.delete(worker)
        if (missing.size > 0) return
        clearTimeout(late)
        resolve()
      }
      for (const worker of missing) tell(worker, { type: 'gather', id })
    })
    return (await sum([...known.values(), await ofEnded])).text
  }

  return {
    heard(worker, message) {
      if (!isMessage(message)) return
      if (message.type === 'gathered') {
        known.set(worker, message.values)
        answered(worker, message.id)
      }
      if (message.type !== 'scrape') return
      // Scrapes that come together share an answer.
      gathering ??= gather().finally(() => {
        gathering = undefined
      })
      gathering.then(
        (text) => tell(worker, { type: 'scraped', id: message.id, text }),
        () => tell(worker, { type: 'scraped', id: message.id }),
      )
    },
    ended(worker) {
      const last = known.get(worker)
      known.delete(worker)
      answered(worker, round)
      if (last === undefined) return
      const counted = last.filter((it) => 'type' in it && it.type !== 'gauge')
      ofEnded = ofEnded.then(async (before) => (await sum([before, counted])).values)
    },
  }
}

function tell(worker: WorkerProcess, message: Message): void {
  if (worker.connected) worker.send(message, () => {})
}

function isMessage(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && 'type' in message && 'id' in message
}
