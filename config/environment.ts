// From environment variables to raw settings. It reads the object it is given, never the process.

import { settingDescriptions } from './descriptions.ts'

/** What the environment says, unchecked. */
export interface RawEnvironment {
  /** Text by setting. A variable that is set but empty counts as not set. */
  readonly values: ReadonlyMap<string, string>
  /** The file named by PARLEY_CONFIG. */
  readonly configFile: string | undefined
  /** Variables that begin with PARLEY_ and mean nothing. */
  readonly unknown: readonly string[]
}

/** Variables of the commands and of the tests, which are no settings. */
const otherVariables: ReadonlySet<string> = new Set([
  'PARLEY_CONFIG',
  'PARLEY_TOKEN',
  'PARLEY_PYTHON',
  'PARLEY_REQUIRE_ALL',
])

/** Kubernetes sets these in every container beside a service that is called `parley`. */
const serviceLink = /^PARLEY_(SERVICE_(HOST|PORT)|PORT_\d)/

/** Reads the variables of the settings. */
export function fromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): RawEnvironment {
  const keys = new Map(settingDescriptions.map(({ variable, key }) => [variable, key]))
  const values = new Map<string, string>()
  const unknown: string[] = []
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === '') continue
    const key = keys.get(name)
    if (key !== undefined) values.set(key, value)
    else if (!name.startsWith('PARLEY_')) continue
    else if (!otherVariables.has(name) && !isServiceLink(name, value)) unknown.push(name)
  }
  return { values, configFile: environment.PARLEY_CONFIG || undefined, unknown }
}

function isServiceLink(name: string, value: string): boolean {
  return serviceLink.test(name) || (name === 'PARLEY_PORT' && /^(tcp|udp|sctp):/.test(value))
}
