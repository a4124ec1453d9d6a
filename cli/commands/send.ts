// `parley send`: publishes one message and waits for its acknowledgement.

import type { Command } from 'commander'
import { parsePublishTopic } from '../../protocol/topics.ts'
import type { Context } from '../context.ts'
import { usageFailure } from '../failures.ts'
import { demandId } from '../ids.ts'
import { addServerOptions, readSettings } from '../options.ts'

/** Adds the command. */
export function addSend(program: Command, context: Context): void {
  const command = program
    .command('send <topic> <text>')
    .description('send a message, and return when the server has stored it')
    .option('--as <user>', 'who sends it (default: the user of PARLEY_TOKEN)')
  addServerOptions(command)
  command.action(async (topic: string, text: string, options: { readonly as?: string }) => {
    const { as } = options
    if (as !== undefined) demandId('user', as)
    const parsed = parsePublishTopic(topic)
    if (parsed.kind === 'malformed')
      throw usageFailure(`the topic cannot be used: ${parsed.reason}`)
    const { settings } = readSettings(command, context)
    const { connectChat, publish, resolveIdentity } = await import('../chat-client.ts')
    const identity = await resolveIdentity({ settings, context, as })
    const chat = await connectChat(settings, identity)
    try {
      await publish(chat, identity.user, { topic, text })
    } finally {
      chat.client.end(true)
    }
  })
}
