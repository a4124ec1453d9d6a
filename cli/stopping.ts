// How a server hears that it should stop, and how long that may take.

import type { Settings } from '../config/schema.ts'

/** npm passes Ctrl-C on to a program that has had it from the terminal already: two signals within
 * this time are one. */
const sameSignalMs = 500
const interruptedExitCode = 130
/** What a stop may take after the last client was sent away, ms: answers over HTTP that are under
 * way, and the last writes. */
const stopGraceMs = 20_000

/** Resolves at the first of these signals; another one after it ends the process at once. */
export function stopSignal(...names: readonly NodeJS.Signals[]): Promise<undefined> {
  return new Promise((resolve) => {
    let firstAt: number | undefined
    const onSignal = (): void => {
      const now = performance.now()
      firstAt ??= now
      if (now - firstAt > sameSignalMs) process.exit(interruptedExitCode)
      resolve(undefined)
    }
    for (const name of names) process.on(name, onSignal)
  })
}

/** The longest that a process may take to stop, ms; no store that hangs may keep it. */
export function stopMsMax({ drainDelayMs, drainTimeoutMs }: Settings): number {
  return drainDelayMs + drainTimeoutMs + stopGraceMs
}
