// The command line: all commands, with help, version and errors in one form everywhere.

import { Command } from 'commander'
import { addClusterInit } from './commands/cluster-init.ts'
import { addConfig } from './commands/config.ts'
import { addGroupAdd } from './commands/group-add.ts'
import { addSend } from './commands/send.ts'
import { addServe } from './commands/serve.ts'
import { addTail } from './commands/tail.ts'
import { addToken } from './commands/token.ts'
import { addUserAdd } from './commands/user-add.ts'
import type { Context } from './context.ts'

/** Makes the command line. Parsing throws commander's `CommanderError` for what it has answered
 * itself (help, version, usage errors), and what a command throws. */
export function makeProgram(context: Context): Command {
  const program = new Command('parley').description(
    'a messaging backend for mobile apps that speak plain MQTT',
  )
  addServe(program, context)
  addUserAdd(program.command('user').description('manage users'), context)
  addToken(program, context)
  addGroupAdd(program.command('group').description('manage groups'), context)
  addClusterInit(program.command('cluster').description('manage a cluster'), context)
  addSend(program, context)
  addTail(program, context)
  addConfig(program, context)
  finish(program, 'parley', context)
  return program
}

/** Gives a command and those below it `--version`, and errors of one line that name the help. */
function finish(command: Command, path: string, context: Context): void {
  command
    .version(context.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.output.write(text),
      writeErr: (text) => void context.diagnostics.write(text),
      outputError: (text, write) => write(`parley: ${usageLine(text)}; see ${path} --help\n`),
    })
  for (const child of command.commands) finish(child, `${path} ${child.name()}`, context)
}

function usageLine(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '')
}
