// A thread that tells the others when it is time in an open loop: timers of the event loop know
// whole ms only, which would send messages late and in bunches.

import { type MessagePort, workerData } from 'node:worker_threads'

/** What the pacer is started with. */
export interface PacerTask {
  readonly everyMs: number
  readonly ports: readonly MessagePort[]
}

const { everyMs, ports } = workerData as PacerTask
const never = new Int32Array(new SharedArrayBuffer(4))
let next = performance.now()

for (;;) {
  // After a delay it does not catch up: each beat sends all that is due.
  next = Math.max(next + everyMs, performance.now())
  Atomics.wait(never, 0, 0, next - performance.now())
  for (const port of ports) port.postMessage(undefined)
}
