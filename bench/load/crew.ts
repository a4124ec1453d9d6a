// The main thread's hold on the worker threads: asks all of them for a step and adds up how they
// stand.

import { once } from 'node:events'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { LoadOptions } from './options.ts'
import type { PacerTask } from './pacer.ts'
import { sum } from './statistics.ts'
import type { Answer, Request, Snapshot, WorkerTask } from './steps.ts'

export interface Crew {
  /** All workers do the step; resolves with how they stand together. Rejects with the first
   * failure, when all have answered. */
  step(name: string, argument?: number): Promise<Snapshot>
  /** Ends the threads and their connections. */
  close(): Promise<void>
}

/** An open loop sends what is due no more often than this. */
const beatMsMin = 0.25

/** Starts the threads. */
export function makeCrew(options: LoadOptions): Crew {
  const run = Math.floor(Math.random() * 36 ** 6).toString(36)
  const channels = Array.from({ length: options.workers }, () => new MessageChannel())
  const workers = channels.map(({ port1: beats }, index) => {
    const share = { index, of: options.workers }
    const workerData: WorkerTask = { options, share, run, beats }
    const url = new URL('./worker.js', import.meta.url)
    return new Worker(url, { workerData, transferList: [beats] })
  })
  const ports = channels.map(({ port2 }) => port2)
  const pacer = options.rate > 0 ? startPacer(ports, options.rate) : undefined

  const ask = async (worker: Worker, request: Request): Promise<Answer> => {
    worker.postMessage(request)
    // Rejects when the thread dies of an error.
    const [answer] = await once(worker, 'message')
    return answer as Answer
  }

  return {
    async step(step, argument = 0) {
      const answers = await Promise.all(workers.map((worker) => ask(worker, { step, argument })))
      const failed = answers.find(({ error }) => error !== undefined)
      if (failed !== undefined) throw new Error(failed.error)
      return together(answers.map(({ snapshot }) => snapshot))
    },
    async close() {
      await Promise.all([pacer, ...workers].map((thread) => thread?.terminate()))
    },
  }
}

function startPacer(ports: readonly MessagePort[], rate: number): Worker {
  const everyMs = Math.max(beatMsMin, 1000 / rate)
  const workerData: PacerTask = { everyMs, ports }
  const url = new URL('./pacer.js', import.meta.url)
  return new Worker(url, { workerData, transferList: [...ports] })
}

function together(parts: readonly Snapshot[]): Snapshot {
  const add = (value: (part: Snapshot) => number) => parts.reduce((a, part) => a + value(part), 0)
  return {
    sent: {
      sent: add((part) => part.sent.sent),
      acknowledged: add((part) => part.sent.acknowledged),
      latencies: sum(parts.map((part) => part.sent.latencies)),
    },
    received: {
      delivered: add((part) => part.received.delivered),
      duplicates: add((part) => part.received.duplicates),
      outOfOrder: add((part) => part.received.outOfOrder),
      unreadable: add((part) => part.received.unreadable),
      lastAt: Math.max(...parts.map((part) => part.received.lastAt)),
      latencies: sum(parts.map((part) => part.received.latencies)),
    },
    dead: add((part) => part.dead),
  }
}
