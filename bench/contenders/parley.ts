// Parley: `parley serve` as a process of its own, on a data folder on a disk, with the case's users
// and groups in it and a token for each user.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findServer } from '../../cli/server-file.ts'
import type { Contender } from './contender.ts'
import { prepareFolder } from './parley-folder.ts'
import { startProgram } from './processes.ts'

const program = fileURLToPath(new URL('../../cli/main.js', import.meta.url))
const connectionsMax = 20_000

/** `nodeFlags` go to the process that serves, to profile it. */
export function makeParley(nodeFlags: readonly string[]): Contender {
  return {
    name: 'parley',
    title: 'Parley, stored and acknowledged after fsync',
    // All of one's groups: what an app subscribes to.
    groupFilter: 'g/+/msg',
    missing: () => undefined,
    async start(population, folder) {
      const data = join(folder, 'data')
      const usersFile = join(folder, 'users.tsv')
      mkdirSync(data, { mode: 0o700 })
      await prepareFolder(data, population, usersFile)
      const child = startProgram(process.execPath, [
        ...nodeFlags,
        program,
        ...['serve', '--data', data, '--mqtt-port', '0', '--http-port', '0'],
        ...['--connections-max', String(connectionsMax), '--log-level', 'error'],
      ])
      const url = await child.until(() => findServer(data)?.mqtt)
      return {
        address: new URL(url).host,
        parts: [{ name: 'parley', pid: child.pid }],
        usersFile,
        died: child.died,
        stop: child.stop,
      }
    },
  }
}
