// `parley tail`: prints the messages of a topic filter as they arrive.

import type { Command } from 'commander'
import type { MqttClient } from 'mqtt'
import { parseChatFilter } from '../../protocol/topics.ts'
import type { Context } from '../context.ts'
import { usageFailure } from '../failures.ts'
import { demandId } from '../ids.ts'
import { addServerOptions, readSettings } from '../options.ts'

interface TailOptions {
  readonly as?: string
  readonly count?: string
}

/** Adds the command. */
export function addTail(program: Command, context: Context): void {
  const command = program
    .command('tail <topic>')
    .description('print messages as they arrive, one line each, until Ctrl-C')
    .option('--as <user>', 'who listens (default: the user of PARLEY_TOKEN, or of u/<user>/…)')
    .option('--count <messages>', 'end after so many messages')
  addServerOptions(command)
  command.action(async (topic: string, options: TailOptions) => {
    const { as } = options
    if (as !== undefined) demandId('user', as)
    const count = readCount(options.count)
    const { settings } = readSettings(command, context)
    const chat = await import('../chat-client.ts')
    const filter = parseChatFilter(topic)
    const implied = filter?.kind === 'user' ? filter.user : undefined
    const identity = await chat.resolveIdentity({ settings, context, as, implied })
    const { client } = await chat.connectChat(settings, identity)
    try {
      const finished = printMessages(client, context, count)
      const lost = chat.connectionLost(client)
      // The server may close while the subscription waits; that is then told by `subscribe`.
      lost.catch(() => {})
      await chat.subscribe(client, topic)
      context.diagnostics.write(`listening to ${topic} as ${identity.user}\n`)
      await Promise.race([finished, lost])
    } finally {
      client.end(true)
    }
  })
}

function readCount(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (count < 1) throw usageFailure('--count must be an integer of 1 or more')
  return count
}

/** Prints until the count is reached, Ctrl-C, or nobody reads any more. */
function printMessages(client: MqttClient, context: Context, count: number): Promise<void> {
  let left = count
  return new Promise((resolve) => {
    client.on('message', (topic, payload) => {
      if (left === 0) return
      // Events and receipts are printed as well, but are no messages.
      if (topic.endsWith('/msg')) left -= 1
      const line = payload.toString('utf8').replaceAll('\n', '\\n')
      context.output.write(`${topic} ${line}\n`, () => left === 0 && resolve())
    })
    context.output.on('error', () => resolve())
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
  })
}
