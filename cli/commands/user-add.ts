// `parley user add`: makes a user.

import type { Command } from 'commander'
import { administer } from '../administration.ts'
import type { Administration } from '../administration-port.ts'
import type { Context } from '../context.ts'
import { usageFailure } from '../failures.ts'
import { demandId } from '../ids.ts'
import { addServerOptions, readSettings } from '../options.ts'

const inputBytesMax = 4096

/** Adds the command below `user`. */
export function addUserAdd(user: Command, context: Context): void {
  const command = user
    .command('add <id>')
    .description('make a user, on a running server or on a stopped one')
    .option('--password-stdin', 'read a password from the first line of standard input')
  addServerOptions(command)
  command.action(async (id: string, options: { readonly passwordStdin?: boolean }) => {
    demandId('user', id)
    const { settings } = readSettings(command, context)
    const password = options.passwordStdin ? await readPassword(context.input) : undefined
    const add = (administration: Administration) => administration.addUser(id, password)
    await administer(settings, add, { mayMakeFolder: true })
    context.output.write(`user ${id} added\n`)
  })
}

async function readPassword(input: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of input) {
    text += chunk.toString()
    if (text.includes('\n') || text.length > inputBytesMax) break
  }
  const password = text.split(/\r?\n/, 1)[0] ?? ''
  if (password === '') throw usageFailure('standard input holds no password')
  return password
}
