// From flags, environment and file to settings: resolve, validate, freeze. Whatever is wrong is
// refused with the full list of problems, so that an operator mends everything at once.

import { Value } from 'typebox/value'
import { isPlainFilter } from '../protocol/filters.ts'
import { isNetwork } from '../protocol/networks.ts'
import { clusterProblems } from './cluster.ts'
import type { SettingDescription } from './descriptions.ts'
import { findSetting, settingDescriptions } from './descriptions.ts'
import { hostsOf, portProblems, tlsProblems } from './doors.ts'
import { fromEnvironment } from './environment.ts'
import { isPrivateHost } from './hosts.ts'
import type { SettingKey, Settings } from './schema.ts'
import { hiddenSecret, Secret } from './secrets.ts'

/** Bytes that a packet needs besides its payload: header, packet id, and the longest topic. */
const packetOverheadBytes = 2048

/** Settings that cannot be used; `problems` holds one line for each fault. */
export class SettingsError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`the settings cannot be used: ${problems.join('; ')}`)
    this.name = 'SettingsError'
    this.problems = problems
  }
}

export interface SettingsInput {
  /** Text by setting, as given on the command line; `config` names the file. */
  readonly flags: Readonly<Record<string, string | undefined>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Returns the text of a file, or throws what node:fs throws. */
  readonly readFile: (path: string) => string
}

/** Where the value of each setting came from: `default`, `file <path>`, `PARLEY_…`, `--…`. */
type SettingSources = Readonly<Record<SettingKey, string>>

export interface LoadedSettings {
  readonly settings: Settings
  readonly sources: SettingSources
}

interface RawValue {
  readonly value: unknown
  readonly source: string
}

type RawSettings = Map<SettingKey, RawValue>

/** Resolves the settings: defaults, then the file, then the environment, then the flags; the later
 * wins. Throws `SettingsError` when a value, a key or a combination cannot be used. */
export function loadSettings(input: SettingsInput): LoadedSettings {
  const problems: string[] = []
  const environment = fromEnvironment(input.environment)
  const raw: RawSettings = new Map()
  const file = input.flags.config ?? environment.configFile
  if (file !== undefined) readConfigFile({ path: file, readFile: input.readFile }, raw, problems)
  for (const [key, value] of environment.values) {
    const setting = findSetting(key)
    if (setting !== undefined) raw.set(setting.key, { value, source: setting.variable })
  }
  for (const name of environment.unknown) problems.push(`${name} is not a setting`)
  readFlags(input.flags, raw, problems)

  const resolved: Record<string, unknown> = {}
  const sources: Record<string, string> = {}
  for (const setting of settingDescriptions) {
    const given = raw.get(setting.key)
    resolved[setting.key] = given === undefined ? setting.default : check(setting, given, problems)
    sources[setting.key] = given?.source ?? 'default'
  }
  problems.push(...contradictions(resolved as unknown as Settings))
  // What is missing can be told only when nothing was refused.
  if (problems.length === 0) problems.push(...tlsProblems(resolved as unknown as Settings))
  if (problems.length > 0) throw new SettingsError(problems)
  return { settings: freeze(resolved), sources: Object.freeze(sources) as SettingSources }
}

interface ConfigFile {
  readonly path: string
  readonly readFile: SettingsInput['readFile']
}

function readConfigFile(file: ConfigFile, raw: RawSettings, problems: string[]): void {
  const { path } = file
  let content: unknown
  try {
    content = JSON.parse(file.readFile(path))
  } catch (error) {
    const isSyntax = error instanceof SyntaxError
    const reason = isSyntax ? 'is not JSON' : `cannot be read (${codeOf(error)})`
    problems.push(`the configuration file ${path} ${reason}`)
    return
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    problems.push(`the configuration file ${path} must hold one JSON object`)
    return
  }
  for (const [key, value] of Object.entries(content)) {
    const setting = findSetting(key)
    if (setting === undefined) problems.push(`'${key}' in ${path} is not a setting`)
    else raw.set(setting.key, { value, source: `file ${path}` })
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

function readFlags(flags: SettingsInput['flags'], raw: RawSettings, problems: string[]): void {
  for (const [key, value] of Object.entries(flags)) {
    if (value === undefined || key === 'config') continue
    const setting = findSetting(key)
    if (setting?.flag === undefined) problems.push(`'${key}' is not a setting of the command line`)
    else raw.set(setting.key, { value, source: setting.flag })
  }
}

/** The value in its type; pushes a problem when it is none. */
function check(setting: SettingDescription, given: RawValue, problems: string[]): unknown {
  const isFromFile = given.source.startsWith('file ')
  const value = isFromFile ? listOf(setting, given.value) : fromText(setting, given.value)
  if (Value.Check(setting.schema, value)) return value
  const shown = setting.isSecret ? hiddenSecret : JSON.stringify(given.value)
  const where = isFromFile ? `${setting.key} (${given.source})` : given.source
  problems.push(`${where} must be ${setting.expectation}, not ${shown}`)
  return undefined
}

function fromText(setting: SettingDescription, value: unknown): unknown {
  if (setting.isList) return listOf(setting, value)
  if (setting.isSwitch) return value === 'true' ? true : value === 'false' ? false : value
  const isNumber = setting.unit !== undefined
  return isNumber && typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
}

function listOf(setting: SettingDescription, value: unknown): unknown {
  if (!setting.isList || typeof value !== 'string') return value
  if (value.trim() === setting.shownDefault) return setting.default
  if (value.trim() === 'none') return []
  return value.split(',').map((item) => item.trim())
}

/** Values that are each right, and cannot hold together. A value that was refused is undefined and
 * compares as false, so that it adds no second problem. */
function contradictions(settings: Settings): string[] {
  const problems: string[] = []
  const refuse = (isBroken: boolean, problem: string): void => {
    if (isBroken) problems.push(problem)
  }
  const { payloadBytesMax, packetBytesMax } = settings
  refuse(
    packetBytesMax < payloadBytesMax + packetOverheadBytes,
    `packetBytesMax (${packetBytesMax}) must be at least payloadBytesMax + ` +
      `${packetOverheadBytes} (${payloadBytesMax + packetOverheadBytes})`,
  )
  refuse(
    packetBytesMax < settings.preConnectBytesMax,
    `preConnectBytesMax (${settings.preConnectBytesMax}) must not be above packetBytesMax ` +
      `(${packetBytesMax})`,
  )
  refuse(
    settings.appendQueueMax < settings.appendBatchMax,
    `appendQueueMax (${settings.appendQueueMax}) must be at least appendBatchMax ` +
      `(${settings.appendBatchMax})`,
  )
  refuse(
    settings.appendQueueBytesMax < payloadBytesMax,
    `appendQueueBytesMax (${settings.appendQueueBytesMax}) must be at least payloadBytesMax ` +
      `(${payloadBytesMax})`,
  )
  problems.push(...portProblems(settings), ...clusterProblems(settings))
  problems.push(...openness(settings), ...badItems(settings))
  return problems
}

/** What is wrong with `openTopics` and `anonymous`. */
function openness(settings: Settings): string[] {
  const { openTopics, anonymous } = settings
  if (openTopics === undefined || anonymous === undefined) return []
  const bad = openTopics.filter((filter) => filter !== '#' && !isPlainFilter(filter))
  if (bad.length > 0) {
    return [`openTopics must be a list of filters below t/, or #, not ${JSON.stringify(bad)}`]
  }
  const opensAll = openTopics.includes('#')
  if (opensAll !== anonymous) {
    return [
      opensAll
        ? 'openTopics # opens everything, chat included: it needs anonymous, for a trusted network'
        : 'anonymous asks nobody who they are: it needs openTopics #',
    ]
  }
  if (opensAll && openTopics.length > 1) return ['openTopics # stands alone']
  const publicHost = hostsOf(settings).find((host) => !isPrivateHost(host))
  if (!anonymous || publicHost === undefined || settings.anonymousAnywhere) return []
  return [
    `anonymous on ${publicHost} would let everybody in who can reach it: listen on a private ` +
      'address, or set anonymousAnywhere',
  ]
}

/** Items of lists that are not what the list is of. */
function badItems(settings: Settings): string[] {
  const { limitsExempt = [], proxyProtocolFrom = [], allowedOrigins = [] } = settings
  const isNone = (item: string): boolean => !isNetwork(item)
  const origins = allowedOrigins.filter((item) => !isOrigin(item))
  const refuse = (key: SettingKey, items: readonly string[]) =>
    items.map((item) => {
      return `${key} must be ${findSetting(key)?.expectation}, not ${JSON.stringify(item)}`
    })
  return [
    ...refuse('limitsExempt', limitsExempt.filter(isNone)),
    ...refuse('proxyProtocolFrom', proxyProtocolFrom.filter(isNone)),
    ...refuse('allowedOrigins', origins),
  ]
}

/** As browsers write it in the header `Origin` (RFC 6454, section 6.2), and web views with schemes
 * of their own. */
function isOrigin(text: string): boolean {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/.test(text) || !URL.canParse(text)) return false
  const { origin } = new URL(text)
  return origin === 'null' || origin === text
}

function freeze(resolved: Readonly<Record<string, unknown>>): Settings {
  const secrets = settingDescriptions.filter(({ isSecret }) => isSecret)
  const lists = Object.entries(resolved).filter(([, value]) => Array.isArray(value))
  const frozen = {
    ...resolved,
    ...Object.fromEntries(
      lists.map(([key, list]) => [key, Object.freeze([...(list as string[])])]),
    ),
    ...Object.fromEntries(secrets.map(({ key }) => [key, hide(resolved[key])])),
  }
  return Object.freeze(frozen) as unknown as Settings
}

function hide(value: unknown): Secret | undefined {
  return typeof value === 'string' ? new Secret(value) : undefined
}
