// Disks that run full: a small file system of its own where this user may mount one, and everywhere
// a limit on the size of the server's files.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { temporaryFolder } from '../support/server.ts'

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

/** A place for data that can be made too small for the server, and large again. */
export interface Disk {
  readonly folder: string
  /** Leaves a few megabytes to the server of this process id. */
  shrink(pid: number): void
  grow(pid: number): void
}

const smallMebibytes = 16
const largeMebibytes = 128

/** Runs a program; false when it cannot, or fails. */
function run(command: string, ...words: readonly string[]): boolean {
  return spawnSync(command, words, { stdio: 'ignore' }).status === 0
}

/** Throws when the program fails. */
function mustRun(command: string, ...words: readonly string[]): void {
  if (!run(command, ...words)) throw new Error(`failed: ${command} ${words.join(' ')}`)
}

/** Whether this user may mount a file system. */
export function mayMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'parley-'))
  const isMounted = run('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder)
  if (isMounted) mustRun('umount', folder)
  rmSync(folder, { recursive: true })
  return isMounted
}

/** A file system of 16 MiB, if `mayMount()`. Writes to it fail with ENOSPC. */
export function mountSmallDisk(t: Owner): Disk {
  const folder = join(temporaryFolder(t), 'disk')
  mkdirSync(folder)
  const sizeOf = (mebibytes: number) => `size=${mebibytes}m`
  mustRun('mount', '-t', 'tmpfs', '-o', sizeOf(smallMebibytes), 'tmpfs', folder)
  t.teardown(() => mustRun('umount', '--lazy', folder))
  const resize = (mebibytes: number) =>
    mustRun('mount', '-o', `remount,${sizeOf(mebibytes)}`, folder)
  return {
    folder,
    shrink: () => resize(smallMebibytes),
    grow: () => resize(largeMebibytes),
  }
}

/** A folder on the ordinary disk, on which the server may not make files above 8 MiB: writes beyond
 * that fail with EFBIG. */
export function limitFiles(t: Owner): Disk {
  const limit = (pid: number, bytes: string) =>
    mustRun('prlimit', '--pid', String(pid), `--fsize=${bytes}:`)
  return {
    folder: temporaryFolder(t),
    shrink: (pid) => limit(pid, String(8 * 1024 * 1024)),
    grow: (pid) => limit(pid, 'unlimited'),
  }
}
