// What a client of the tests was told beside messages.

import type { ChatClient } from '../support/chat-client.ts'
import { until } from '../support/until.ts'

/** The payloads received under a leaf, in order; of a conversation only if one is given. */
export function noticesOf(
  client: ChatClient,
  leaf: string,
  conversation?: string,
): Record<string, unknown>[] {
  return client.received
    .filter(({ topic, json }) => {
      const isWanted = conversation === undefined || json.conversation === conversation
      return topic.endsWith(`/${leaf}`) && isWanted
    })
    .map(({ json }) => json)
}

/** Waits until the client was told this, and returns it as it was received. */
export async function told(
  client: ChatClient,
  leaf: string,
  expected: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const wanted = Object.entries(expected)
  const find = () =>
    noticesOf(client, leaf).find((it) => wanted.every(([name, value]) => it[name] === value))
  await until(`${leaf} ${JSON.stringify(expected)}`, () => find() !== undefined)
  return find() ?? {}
}
