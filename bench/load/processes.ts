// What Linux says of other processes: memory and CPU time, from /proc.

import { readFileSync } from 'node:fs'

/** Clock ticks a second of /proc/<pid>/stat; 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

/** Resident memory of the processes together, KiB. One that is gone counts as 0. */
export function residentKib(pids: readonly number[]): number {
  return total(pids, 'status', (text) => Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? 0))
}

/** CPU time, user and system, that all threads of the processes have used so far, seconds. */
export function cpuSeconds(pids: readonly number[]): number {
  return total(pids, 'stat', (text) => {
    // The name in parentheses may hold spaces; utime and stime are the 12th and 13th after it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
  })
}

function total(pids: readonly number[], file: string, read: (text: string) => number): number {
  return pids.reduce((sum, pid) => {
    try {
      return sum + read(readFileSync(`/proc/${pid}/${file}`, 'latin1'))
    } catch {
      return sum
    }
  }, 0)
}
