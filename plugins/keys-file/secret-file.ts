// One secret in one file: read it, or make it the first time. Any number of processes may start at
// once: exactly one of their secrets becomes the file, and all of them return that one.

import { randomUUID } from 'node:crypto'
import { link, mkdir, open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { OperatorFault } from '../../protocol/failure.ts'

/** Largest file that is read, in bytes. */
const fileBytesMax = 65_536

/** Returns the text of a file only its owner can read. When there is none, stores what `make`
 * returns under that name, mode 0600, durable and whole or not at all, and returns what the file
 * then holds. Throws an Error of one line when the file cannot be read or made, is readable by
 * group or others, or is too large. */
export async function readOrMakeSecret(path: string, make: () => Promise<string>): Promise<string> {
  const found = await readSecret(path)
  if (found !== undefined) return found
  try {
    await storeExclusively(path, await make())
  } catch (error) {
    throw new OperatorFault(`cannot make ${path}: ${reasonOf(error)}`, error)
  }
  const stored = await readSecret(path)
  if (stored === undefined) throw new OperatorFault(`cannot read ${path}: it was removed at once`)
  return stored
}

async function readSecret(path: string): Promise<string | undefined> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new OperatorFault(`cannot read ${path}: ${reasonOf(error)}`, error)
  })
  if (file === undefined) return undefined
  try {
    // Asked of the open file, so that what is checked is what is read.
    const { mode, size } = await file.stat()
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0')
      throw new OperatorFault(
        `${path} is open to other users (mode ${shown}): run chmod 600 ${path}`,
      )
    }
    if (size > fileBytesMax) throw new OperatorFault(`${path} is larger than ${fileBytesMax} bytes`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/** Writes the text beside the path and gives it the name only if the name is free: link(2) is
 * atomic and, unlike rename(2), never replaces what another process stored meanwhile. */
async function storeExclusively(path: string, text: string): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = join(folder, `.${randomUUID()}.tmp`)
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(temporary, path)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  } finally {
    await rm(temporary, { force: true })
  }
  await syncFolder(folder)
}

/** Makes the new name durable. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
