// How a server that listens shows itself: the greeting, and server.json for the other commands.

import type { Settings } from '../config/schema.ts'
import type { Context } from './context.ts'
import { type GreetingInput, greeting, isOnPath } from './greeting.ts'
import type { ListenAddress } from './server-file.ts'
import { connectHost, listenUrl, removeServerFile, writeServerFile } from './server-file.ts'

/** Where a server listens, and whether the user of the greeting exists. */
export type Listening = GreetingInput['listening'] & Pick<GreetingInput, 'hasUser'>

/** Writes server.json and the greeting. */
export function announce(
  settings: Settings,
  { version, output, environment }: Context,
  listening: Listening,
): void {
  const { http, mqtt, hasUser } = listening
  writeServerFile(settings.data, {
    pid: process.pid,
    http: http && connectUrl('http', http),
    mqtt: mqtt && connectUrl('mqtt', mqtt),
    version,
  })
  const hasMosquitto = isOnPath('mosquitto_pub', environment.PATH ?? '')
  output.write(greeting({ version, settings, listening, hasUser, hasMosquitto }))
}

/** Removes server.json. */
export function retract({ data }: Settings): void {
  removeServerFile(data, process.pid)
}

function connectUrl(scheme: 'mqtt' | 'http', { host, port }: ListenAddress): string {
  return listenUrl(scheme, { host: connectHost(host), port })
}
