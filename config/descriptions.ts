// What the schema says of each setting, in the form in which it is printed and asked for: flags,
// variables, expectations.

import type { TSchema } from 'typebox'
import type { SettingKey } from './schema.ts'
import { settingsSchema } from './schema.ts'

/** What the schema says of one setting, in the form in which it is printed. */
export interface SettingDescription {
  readonly key: SettingKey
  /** `--mqtt-port`; undefined for a secret. */
  readonly flag: string | undefined
  /** `PARLEY_MQTT_PORT`, `REDIS_URL` */
  readonly variable: string
  readonly unit: string | undefined
  readonly default: unknown
  /** What a value must be, in words: `an integer from 0 to 65535`. */
  readonly expectation: string
  readonly description: string
  readonly isSecret: boolean
  readonly isList: boolean
  /** Its flag stands alone. */
  readonly isSwitch: boolean
  /** The default in words: `all` of the choices of a list, `none`, or the value. */
  readonly shownDefault: string
  readonly schema: TSchema
}

interface Annotated {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly items?: Annotated
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly default?: unknown
  readonly description?: string
  readonly unit?: string
  readonly secret?: boolean
  readonly variable?: string
  readonly expected?: string
}

/** The settings in the order of the schema. */
export const settingDescriptions: readonly SettingDescription[] = Object.entries(
  settingsSchema.properties,
).map(([key, schema]) => describe(key as SettingKey, schema))

/** The setting of a name; undefined when there is none. */
export function findSetting(key: string): SettingDescription | undefined {
  return settingDescriptions.find((setting) => setting.key === key)
}

function describe(key: SettingKey, schema: TSchema): SettingDescription {
  const annotated: Annotated = schema
  const words = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  const isSecret = annotated.secret === true
  return {
    key,
    flag: isSecret ? undefined : `--${words}`,
    variable: annotated.variable ?? `PARLEY_${words.replaceAll('-', '_').toUpperCase()}`,
    unit: annotated.unit,
    default: annotated.default,
    expectation: expectation(annotated),
    description: annotated.description ?? '',
    isSecret,
    isList: annotated.items !== undefined,
    isSwitch: annotated.type === 'boolean',
    shownDefault: showDefault(annotated),
    schema,
  }
}

function showDefault({ items, default: standard }: Annotated): string {
  if (standard === undefined) return '-'
  if (items?.enum !== undefined) return 'all'
  if (Array.isArray(standard)) return standard.length === 0 ? 'none' : standard.join(',')
  return String(standard)
}

function expectation(schema: Annotated): string {
  if (schema.expected !== undefined) return schema.expected
  if (schema.type === 'boolean') return 'true or false'
  if (schema.enum !== undefined) return `one of ${schema.enum.join(', ')}`
  if (schema.items !== undefined) return `all, or a list of ${schema.items.enum?.join(', ')}`
  if (schema.type === 'integer') return `an integer from ${schema.minimum} to ${schema.maximum}`
  if ((schema.minLength ?? 0) > 1) return `at least ${schema.minLength} characters`
  return 'a text that is not empty'
}
