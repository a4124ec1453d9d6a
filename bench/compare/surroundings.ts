// Where a benchmark ran: the machine, the runtime, and the disk under the data.

import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { resolve } from 'node:path'

/** The file system a folder lies on, by its kernel name (`ext4`, `tmpfs`); `unknown` where Linux
 * does not tell. */
export function fileSystemOf(folder: string): string {
  const path = `${resolve(folder)}/`
  try {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').map(readMount)
    const under = mounts.filter(({ point }) => path.startsWith(point.replace(/\/?$/, '/')))
    under.sort((a, b) => b.point.length - a.point.length)
    return under[0]?.type ?? 'unknown'
  } catch {
    return 'unknown'
  }
}

function readMount(line: string): { readonly point: string; readonly type: string } {
  const [before = '', after = ''] = line.split(' - ')
  return { point: before.split(' ')[4] ?? '', type: after.split(' ')[0] ?? '' }
}

/** Whether the kernel's name is of a file system in memory, which makes fsync free. */
export function isInMemory(fileSystem: string): boolean {
  return fileSystem === 'tmpfs' || fileSystem === 'ramfs'
}

/** One line about the machine. */
export function describeMachine(): string {
  const processors = cpus()
  const gibibytes = Math.round(totalmem() / 2 ** 30)
  const model = processors[0]?.model.trim() ?? 'unknown processor'
  return `${model}, ${processors.length} cores, ${gibibytes} GiB, Node ${process.version}`
}
