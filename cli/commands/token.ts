// `parley token`: prints a token for a user, alone on standard output.

import type { Command } from 'commander'
import type { TopicGrants } from '../../protocol/grants.ts'
import { readTopicGrants } from '../../protocol/grants.ts'
import { grantedFiltersMax } from '../../protocol/limits.ts'
import { administer } from '../administration.ts'
import type { Context } from '../context.ts'
import { usageFailure } from '../failures.ts'
import { demandId } from '../ids.ts'
import { addServerOptions, readSettings } from '../options.ts'

const ttlSecondsMax = 31_536_000

interface TokenOptions {
  readonly ttlSeconds?: string
  readonly publish?: string
  readonly subscribe?: string
}

/** Adds the command. */
export function addToken(program: Command, context: Context): void {
  const command = program
    .command('token <id>')
    .description('print a token for a user, to be used as the password of MQTT')
    .option('--ttl-seconds <seconds>', 'how long it is valid (default: the server says)')
    .option('--publish <filters>', 'plain topics it may publish to, separated by commas: t/a/#')
    .option('--subscribe <filters>', 'plain topics it may subscribe to, separated by commas')
  addServerOptions(command)
  command.action(async (id: string, options: TokenOptions) => {
    demandId('user', id)
    const ttlSeconds = readTtl(options.ttlSeconds)
    const topics = readGrants(options)
    const { settings } = readSettings(command, context)
    const { token } = await administer(settings, (administration) =>
      administration.issueToken(id, ttlSeconds, topics),
    )
    context.output.write(`${token}\n`)
  })
}

function readGrants({ publish, subscribe }: TokenOptions): TopicGrants | undefined {
  if (publish === undefined && subscribe === undefined) return undefined
  const grants = readTopicGrants({ publish: filtersOf(publish), subscribe: filtersOf(subscribe) })
  if (grants !== undefined) return grants
  throw usageFailure(
    `--publish and --subscribe take filters below t/, at most ${grantedFiltersMax} each`,
  )
}

function filtersOf(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(',').map((filter) => filter.trim())
}

function readTtl(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (seconds >= 1 && seconds <= ttlSecondsMax) return seconds
  throw usageFailure(`--ttl-seconds must be an integer from 1 to ${ttlSecondsMax}`)
}
