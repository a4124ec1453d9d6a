// `parley group add`: makes a group with its members.

import type { Command } from 'commander'
import { titleLengthMax } from '../../protocol/limits.ts'
import { administer } from '../administration.ts'
import type { Context } from '../context.ts'
import { usageFailure } from '../failures.ts'
import { demandId } from '../ids.ts'
import { addServerOptions, readSettings } from '../options.ts'

interface GroupOptions {
  readonly members: string
  readonly title?: string
}

/** Adds the command below `group`. */
export function addGroupAdd(group: Command, context: Context): void {
  const command = group
    .command('add <id>')
    .description('make a group, on a running server or on a stopped one')
    .requiredOption('--members <list>', 'user ids, separated by commas; the first is the owner')
    .option('--title <text>', 'title of the group (default: none)')
  addServerOptions(command)
  command.action(async (id: string, { members: list, title }: GroupOptions) => {
    demandId('group', id)
    const members = [...new Set(list.split(',').map((member) => member.trim()))]
    for (const member of members) demandId('user', member)
    if (title !== undefined && title.length > titleLengthMax) {
      throw usageFailure(`--title must not be longer than ${titleLengthMax} characters`)
    }
    const { settings } = readSettings(command, context)
    await administer(settings, (administration) =>
      administration.addGroup({ group: id, title, members }),
    )
    context.output.write(`group ${id} added\n`)
  })
}
