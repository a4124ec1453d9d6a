// What `parley serve` prints once it listens: the addresses, one parseable line each, and two
// commands to paste.

import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { settingDescriptions } from '../config/descriptions.ts'
import type { Settings } from '../config/schema.ts'
import type { ListenAddress } from './server-file.ts'
import { connectHost, listenUrl } from './server-file.ts'

/** The user of the commands to paste. */
export const greetedUser = 'alice'

interface Listening {
  readonly mqtt: ListenAddress | undefined
  readonly http: ListenAddress | undefined
  readonly mqtts: ListenAddress | undefined
  readonly https: ListenAddress | undefined
}

export interface GreetingInput {
  readonly version: string
  readonly settings: Settings
  readonly listening: Listening
  /** Whether the user of the commands is there already. */
  readonly hasUser: boolean
  /** Whether `mosquitto_pub` can be pasted; else MQTT.js' own command is shown. */
  readonly hasMosquitto: boolean
}

/** The lines, each with its line feed. */
export function greeting(input: GreetingInput): string {
  const { version, settings, listening, hasUser, hasMosquitto } = input
  const { mqtt, http, mqtts, https } = listening
  const lines = [`Parley ${version}`]
  if (mqtt !== undefined) lines.push(`listening ${listenUrl('mqtt', mqtt)}`)
  if (mqtts !== undefined) lines.push(`listening ${listenUrl('mqtts', mqtts)}`)
  if (http !== undefined) lines.push(`listening ${listenUrl('http', http)}  (${doors(settings)})`)
  if (https !== undefined) lines.push(`listening ${listenUrl('https', https)}`)
  lines.push(`data folder ${settings.data}`)
  if (settings.anonymous) {
    lines.push('WARNING: anonymous: whoever can reach this server may do everything; no chat')
  } else if (mqtt !== undefined && settings.roles.includes('api')) {
    lines.push(`make a ${hasUser ? '' : 'user with a '}token, and send a message:`)
    lines.push(`  ${hasUser ? '' : `${addUserCommand(settings)} && `}${tokenCommand(settings)}`)
    lines.push(`  ${publishCommand(mqtt, hasMosquitto)}`)
  }
  return lines.map((line) => `${line}\n`).join('')
}

function doors({ roles }: Settings): string {
  const socket = roles.includes('broker') ? ['WebSocket at /mqtt'] : []
  const api = roles.includes('api') ? ['API at /v1', 'documentation at /docs'] : []
  return [...socket, ...api].join(', ')
}

function addUserCommand(settings: Settings): string {
  return `npx parley user add ${greetedUser}${data(settings)}`
}

function tokenCommand(settings: Settings): string {
  return `TOKEN=$(npx parley token ${greetedUser}${data(settings)})`
}

/** ` --data FOLDER`, where the folder is not the one a command would look into. */
function data(settings: Settings): string {
  const standard = settingDescriptions.find(({ key }) => key === 'data')?.default
  return settings.data === standard ? '' : ` --data ${quote(settings.data)}`
}

function quote(text: string): string {
  return /^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

function publishCommand(mqtt: ListenAddress, hasMosquitto: boolean): string {
  const program = hasMosquitto ? 'mosquitto_pub' : 'npx mqtt pub'
  const address = `-h ${connectHost(mqtt.host)} -p ${mqtt.port}`
  const who = `-u ${greetedUser} -P "$TOKEN"`
  return `${program} ${address} ${who} -q 1 -t u/${greetedUser}/msg -m 'hello'`
}

/** Whether a program is in one of the folders of PATH. */
export function isOnPath(program: string, path: string): boolean {
  return path
    .split(delimiter)
    .some((folder) => folder !== '' && isExecutable(join(folder, program)))
}

/** Whether this user may start the file. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
