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
      const printing = printMessages(client, context, count)
      const lost = chat.connectionLost(client)
      // The server may close while the subscription waits; that is then told by `subscribe`.
      lost.catch(() => {})
      await chat.subscribe(client, topic)
      context.diagnostics.write(`listening to ${topic} as ${identity.user}\n`)
      printing.begin()
      await Promise.race([printing.finished, lost])
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

interface Printing {
  /** Prints what has come so far, and from then on each message as it comes. */
  begin(): void
  /** Resolves when the count is reached, at Ctrl-C, or when nobody reads any more. */
  readonly finished: Promise<void>
}

/** Messages may come together with the answer to SUBSCRIBE: they wait until `begin`. */
function printMessages(client: MqttClient, context: Context, count: number): Printing {
  let left = count
  let early: (() => void)[] | undefined = []
  const begin = () => {
    const waiting = early ?? []
    early = undefined
    for (const print of waiting) print()
  }
  const finished = new Promise<void>((resolve) => {
    const print = (topic: string, payload: Buffer) => {
      if (left === 0) return
      // Events and receipts are printed as well, but are no messages.
      if (topic.endsWith('/msg')) left -= 1
      const line = payload.toString('utf8').replaceAll('\n', '\\n')
      context.output.write(`${topic} ${line}\n`, () => left === 0 && resolve())
    }
    client.on('message', (topic, payload) => {
      if (early === undefined) return print(topic, payload)
      early.push(() => print(topic, payload))
    })
    context.output.on('error', () => resolve())
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
  })
  return { begin, finished }
}
