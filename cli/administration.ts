// Administration of a server, found by its data folder: over the HTTP API of the process that runs
// on it, or in the folder itself when none does, or in the store of a cluster.

import { existsSync } from 'node:fs'
import { isClustered } from '../config/cluster.ts'
import type { Settings } from '../config/schema.ts'
import type { Administration } from './administration-port.ts'
import { CommandFailure, isFolderInUse } from './failures.ts'
import { isAnswering, makeRemoteAdministration } from './remote-administration.ts'
import { findServer } from './server-file.ts'

/** The running server's administration, or else the folder's. */
async function openAdministration(settings: Settings): Promise<Administration> {
  const url = findServer(settings.data)?.http
  if (url !== undefined && (await isAnswering(url))) return makeRemoteAdministration(url, settings)
  // Loaded only now: the whole server hangs on it.
  const { openLocalAdministration } = await import('./wire.ts')
  try {
    return await openLocalAdministration(settings)
  } catch (error) {
    if (!isFolderInUse(error)) throw error
    throw new CommandFailure(
      `the data folder ${settings.data} is in use by a process whose HTTP API does not answer: ` +
        'stop it, wait until it has started, or start it with the role api',
    )
  }
}

/** Opens the administration, uses it once and closes it. Throws `CommandFailure` when the folder is
 * held by a process that does not answer, and, unless it may be made, when there is none: a command
 * in the wrong place should not leave a folder there. */
export async function administer<Result>(
  settings: Settings,
  use: (administration: Administration) => Promise<Result>,
  { mayMakeFolder = false } = {},
): Promise<Result> {
  if (!mayMakeFolder && !isClustered(settings) && !existsSync(settings.data)) {
    throw new CommandFailure(
      `there is no data folder ${settings.data}: start the server here, or name one with --data`,
    )
  }
  const administration = await openAdministration(settings)
  try {
    return await use(administration)
  } finally {
    await administration.close()
  }
}
