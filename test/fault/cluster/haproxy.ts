// HAProxy in front of the brokers of a test, for MQTT and HTTP. It asks each broker's /readyz, and
// sends the clients of one that does not answer away.

import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import {
  type EngineProcess,
  freePort,
  type Owner,
  startEngine,
} from '../../support/engine-process.ts'
import { requireProgram } from '../../support/programs.ts'
import { temporaryFolder } from '../../support/server.ts'

/** A broker as HAProxy reaches it. */
export interface Backend {
  readonly mqttPort: number
  readonly httpPort: number
}

export interface TestHaproxy extends EngineProcess {
  readonly mqttPort: number
  readonly httpPort: number
}

/** Starts HAProxy. Skip the test by `requireProgram('haproxy').skip`. */
export async function startHaproxy(t: Owner, backends: readonly Backend[]): Promise<TestHaproxy> {
  const { command } = requireProgram('haproxy')
  if (command === undefined) throw new Error('there is no haproxy')
  const [mqttPort, httpPort] = [await freePort(), await freePort()]
  const file = join(temporaryFolder(t), 'haproxy.cfg')
  writeFileSync(file, configuration({ mqttPort, httpPort }, backends))
  const engine = await startEngine(t, {
    name: 'haproxy',
    command,
    args: ['-db', '-f', file],
    port: mqttPort,
    isReady: () => isListening(mqttPort),
  })
  return { ...engine, mqttPort, httpPort }
}

function configuration(own: Backend, backends: readonly Backend[]): string {
  const servers = (portOf: (backend: Backend) => number) =>
    backends
      .map((it, index) => `  server b${index} 127.0.0.1:${portOf(it)} port ${it.httpPort}`)
      .join('\n')
  return `defaults
  timeout connect 2s
  timeout client 10m
  timeout server 10m
  timeout check 2s
  option httpchk GET /readyz
  default-server check inter 300ms fall 2 rise 1 on-marked-down shutdown-sessions
  option redispatch

listen mqtt
  mode tcp
  balance leastconn
  bind 127.0.0.1:${own.mqttPort}
${servers(({ mqttPort }) => mqttPort)}

listen http
  mode http
  bind 127.0.0.1:${own.httpPort}
${servers(({ httpPort }) => httpPort)}
`
}

/** Whether anybody accepts connections at a port. */
function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
