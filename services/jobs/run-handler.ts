// Runs the handler of a job for a bounded time, in any engine.

import type { HandlerOptions, JobHandler, Json } from './ports.ts'

export interface Run {
  readonly payload: Json
  readonly attempt: number
  /** Aborted when the process waits no more. */
  readonly stop: AbortSignal
}

/** `givenBack`: it was stopped, and has to run again. */
export type RunOutcome =
  | { readonly kind: 'done' | 'givenBack' }
  | { readonly kind: 'failed'; readonly reason: string }

/** What became of one attempt. Never rejects. A handler that does not heed its signal goes on
 * unheard. */
export async function runHandler(
  handler: JobHandler,
  { payload, attempt, stop }: Run,
  { timeoutMs }: Pick<HandlerOptions, 'timeoutMs'>,
): Promise<RunOutcome> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(new Error(`no end after ${timeoutMs} ms`)), timeoutMs)
  const signal = AbortSignal.any([stop, late.signal])
  try {
    await Promise.race([ended(signal), handler(payload, { attempt, signal })])
    return { kind: 'done' }
  } catch (error) {
    if (stop.aborted) return { kind: 'givenBack' }
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) }
  } finally {
    clearTimeout(timer)
  }
}

/** Rejects when the signal is aborted. */
function ended(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
