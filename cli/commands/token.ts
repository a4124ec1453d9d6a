// `parley token`: prints a token for a user, alone on standard output.

import type { Command } from 'commander'
import { administer } from '../administration.ts'
import type { Context } from '../context.ts'
import { usageFailure } from '../failures.ts'
import { demandId } from '../ids.ts'
import { addServerOptions, readSettings } from '../options.ts'

const ttlSecondsMax = 31_536_000

/** Adds the command. */
export function addToken(program: Command, context: Context): void {
  const command = program
    .command('token <id>')
    .description('print a token for a user, to be used as the password of MQTT')
    .option('--ttl-seconds <seconds>', 'how long it is valid (default: the server says)')
  addServerOptions(command)
  command.action(async (id: string, options: { readonly ttlSeconds?: string }) => {
    demandId('user', id)
    const ttlSeconds = readTtl(options.ttlSeconds)
    const { settings } = readSettings(command, context)
    const { token } = await administer(settings, (administration) =>
      administration.issueToken(id, ttlSeconds),
    )
    context.output.write(`${token}\n`)
  })
}

function readTtl(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (seconds >= 1 && seconds <= ttlSecondsMax) return seconds
  throw usageFailure(`--ttl-seconds must be an integer from 1 to ${ttlSecondsMax}`)
}
