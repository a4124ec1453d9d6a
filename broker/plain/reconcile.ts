// The subscriptions that aedes keeps for a device are made those that the device is known to have.
// They differ after a restart, or when a connection ended before aedes was told of a change.

import type { Introduction, KeptSubscription } from './client.ts'
import { keysOf } from './client.ts'
import type { PlainPersistence } from './ports.ts'

export async function reconcile(
  persistence: PlainPersistence,
  introduction: Introduction,
): Promise<void> {
  const client = { id: introduction.clientId }
  const known = new Map(knownOf(introduction).map((it) => [it.topic, it]))
  const kept = await persistence.subscriptionsByClient(client)
  const same = new Set<string>()
  for (const it of kept) if (isSame(it, known.get(it.topic))) same.add(it.topic)
  const outdated = kept.map(({ topic }) => topic).filter((topic) => !known.has(topic))
  const missing = [...known.values()].filter(({ topic }) => !same.has(topic))
  await persistence.removeSubscriptions(client, outdated)
  if (missing.length > 0) await persistence.addSubscriptions(client, missing)
}

/** What the device is known to be subscribed to, as aedes has it. */
export function knownOf({ subscriptions }: Introduction): readonly KeptSubscription[] {
  return subscriptions.map((it) => ({ topic: it.filter, qos: it.qos, ...keysOf(it) }))
}

function isSame(a: KeptSubscription, b: KeptSubscription | undefined): boolean {
  return (
    a.qos === b?.qos &&
    !a.nl === !b.nl &&
    !a.rap === !b.rap &&
    (a.subscriptionIdentifier ?? 0) === (b.subscriptionIdentifier ?? 0)
  )
}
