// `parley config`: prints the effective settings, with the unit and the source of each.

import type { Command } from 'commander'
import { settingDescriptions } from '../../config/descriptions.ts'
import type { LoadedSettings } from '../../config/load.ts'
import type { Context } from '../context.ts'
import { addAllSettings, readSettings } from '../options.ts'

/** Adds the command. */
export function addConfig(program: Command, context: Context): void {
  const command = program
    .command('config')
    .description('print the effective settings with unit and source; secrets stay hidden')
    .option('--json', 'print them as one JSON object')
  addAllSettings(command)
  command.action((options: { readonly json?: boolean }) => {
    const loaded = readSettings(command, context)
    context.output.write(options.json ? asJson(loaded) : asTable(loaded))
  })
}

function asJson({ settings, sources }: LoadedSettings): string {
  const object: Record<string, unknown> = {}
  for (const { key, unit, description } of settingDescriptions) {
    const value = settings[key] ?? null
    object[key] = { value, unit: unit ?? null, source: sources[key], description }
  }
  return `${JSON.stringify(object, undefined, 2)}\n`
}

function asTable({ settings, sources }: LoadedSettings): string {
  const rows = [['setting', 'value', 'unit', 'source']]
  for (const { key, unit } of settingDescriptions) {
    rows.push([key, String(settings[key] ?? '-') || 'none', unit ?? '', sources[key]])
  }
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  '))
  return lines.map((line) => `${line.trimEnd()}\n`).join('')
}
