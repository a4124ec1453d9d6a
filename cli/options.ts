// The flags that are settings, generated from the schema, and the way from flags to settings.

import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { Option } from 'commander'
import type { SettingDescription } from '../config/descriptions.ts'
import { settingDescriptions } from '../config/descriptions.ts'
import type { LoadedSettings } from '../config/load.ts'
import { loadSettings } from '../config/load.ts'
import type { SettingKey } from '../config/schema.ts'
import type { Context } from './context.ts'

const mainKeys: readonly SettingKey[] = ['host', 'mqttPort', 'httpPort', 'data', 'roles']

/** Adds all settings as flags, the main ones first, and `--config`. */
export function addAllSettings(command: Command): void {
  const isMain = ({ key }: SettingDescription): boolean => mainKeys.includes(key)
  const main = settingDescriptions.filter(isMain)
  for (const setting of main) addSetting(command, setting)
  addConfigFile(command)
  for (const setting of settingDescriptions) if (!isMain(setting)) addSetting(command, setting)
}

/** Adds `--data` and `--config`: which server the command speaks to. */
export function addServerOptions(command: Command): void {
  const data = settingDescriptions.find(({ key }) => key === 'data')
  if (data !== undefined) addSetting(command, data)
  addConfigFile(command)
}

function addSetting(command: Command, setting: SettingDescription): void {
  if (setting.flag === undefined) return
  const placeholder = setting.isList ? 'list' : (setting.unit ?? 'value')
  const text = `${setting.description} (default ${setting.shownDefault})`
  const value = setting.isSwitch ? '' : ` <${placeholder}>`
  command.addOption(new Option(`${setting.flag}${value}`, text))
}

function addConfigFile(command: Command): void {
  command.option('--config <file>', 'JSON file with settings; flags and PARLEY_… go before it.')
}

/** The settings for a command: its flags that are settings, the environment, the file. */
export function readSettings(command: Command, context: Context): LoadedSettings {
  const given = command.opts<Record<string, unknown>>()
  const flags: Record<string, string> = {}
  for (const key of ['config', ...settingDescriptions.map((setting) => setting.key)]) {
    const value = given[key]
    if (typeof value === 'string' || value === true) flags[key] = String(value)
  }
  const readFile = (path: string): string => readFileSync(path, 'utf8')
  return loadSettings({ flags, environment: context.environment, readFile })
}
