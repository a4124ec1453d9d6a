// How much memory the buffers of this process take: the server's, and what its clients hold.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Test } from 'tap'
import { until } from '../support/until.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes of buffers that are in use in this process: the server's, and what the clients hold. */
export function bufferBytes(): number {
  collectGarbage()
  return process.memoryUsage().arrayBuffers
}

const mebibyte = 1_048_576

/** Passes when no more than 8 MiB of buffers are held than before. Freed ones may take a moment. */
export async function buffersAreBounded(t: Test, before: number, what: string): Promise<void> {
  const growth = () => (bufferBytes() - before) / mebibyte
  await until('buffers are freed', () => growth() < 8, 3000).catch(() => {})
  t.ok(growth() < 8, `${what} cost ${growth().toFixed(1)} MiB of buffers`)
}
