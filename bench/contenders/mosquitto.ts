// Mosquitto: a broker in C that queues in memory.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Contender } from './contender.ts'
import { findProgram, freePort, isListening, startProgram } from './processes.ts'

/** Comparable to Parley's defaults: the same window, nothing thrown away, no delay of small
 * packets, and nothing written to a log. */
const configuration = (port: number): string => `
listener ${port} 127.0.0.1
allow_anonymous true
max_inflight_messages 256
max_queued_messages 0
max_connections -1
set_tcp_nodelay true
persistence false
sys_interval 0
log_type error
`

export const mosquitto: Contender = {
  name: 'mosquitto',
  title: 'Mosquitto, in memory',
  groupFilter: 'g/g{i}/msg',
  missing: () => (findProgram('mosquitto') === undefined ? 'it is not installed' : undefined),
  async start(_population, folder) {
    const port = await freePort()
    const file = join(folder, 'mosquitto.conf')
    writeFileSync(file, configuration(port))
    const child = startProgram(findProgram('mosquitto') as string, ['-c', file])
    await child.until(() => isListening(port))
    return {
      address: `127.0.0.1:${port}`,
      parts: [{ name: 'mosquitto', pid: child.pid }],
      usersFile: undefined,
      died: child.died,
      stop: child.stop,
    }
  },
}
