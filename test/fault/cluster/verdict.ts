// The end of a run on a cluster: everybody stops, catches up, and all that was seen is put before
// the checker.

import { until } from '../../support/until.ts'
import { checkRun, type Publications, type Run } from '../checker.ts'
import type { Device } from '../device.ts'
import type { ExactPublisher } from '../exact-publisher.ts'
import type { Publisher } from '../publisher.ts'
import { type Api, conversationOf, readHistory } from '../server-program.ts'
import { inParallel, type Person } from './people.ts'

/** Who took part. Clients that lose their connection must come back by themselves. */
export interface Participants {
  readonly people: readonly Person[]
  readonly publishers: readonly Publisher[]
  readonly exactPublishers: readonly ExactPublisher[]
  readonly devices: readonly Device[]
}

export interface Verdict {
  /** None when every promise was kept. */
  readonly problems: readonly string[]
  readonly run: Run
}

const settleMs = 60_000

/** Judges a run whose publishers make no more messages, on a cluster that works. */
export async function judge(api: Api, participants: Participants): Promise<Verdict> {
  const unanswered = await settle(participants)
  const run = await collect(api, participants)
  return { run, problems: [...unanswered, ...clientProblems(participants), ...checkRun(run)] }
}

/** Waits until every message is acknowledged. */
async function settle(participants: Participants): Promise<readonly string[]> {
  const { publishers, exactPublishers } = participants
  const waiting = () => sum([...publishers, ...exactPublishers].map((it) => it.inFlight()))
  try {
    await until('all is acknowledged', () => waiting() === 0, settleMs)
    return []
  } catch (error) {
    return [`${(error as Error).message}: ${waiting()} are not`]
  }
}

/** Reads all histories, and waits until the devices have what is there; the checker says better
 * than a deadline what is missing. */
async function collect(api: Api, participants: Participants): Promise<Run> {
  const { people, publishers, exactPublishers, devices } = participants
  const readers = new Map<string, string>()
  for (const { token, conversations } of people) {
    for (const conversation of conversations) readers.set(conversation, token)
  }
  const histories = await inParallel([...readers], async ([conversation, token]) => ({
    conversation,
    entries: await readInTheEnd(api, token, conversation),
  }))
  const heads = new Map(histories.map((it) => [it.conversation, it.entries.at(-1)?.seq ?? 0]))
  const hasAll = ({ stream, head, keep }: Device) => {
    keep()
    return stream.conversations.every((id) => head(id) >= (heads.get(id) ?? 0))
  }
  await until('every device has everything', () => devices.every(hasAll), settleMs).catch(() => {})
  // What is sent twice or too late comes before the answer.
  await Promise.all(
    devices.map((it) =>
      it
        .client()
        ?.ping()
        .catch(() => {}),
    ),
  )
  return {
    mayHaveVoids: true,
    publications: [
      ...publishers.map((it) => it.publications),
      ...exactPublishers.map((it) => publicationsOf(it, histories)),
    ],
    devices: devices.map((it) => it.stream),
    histories,
  }
}

/** Reads again while HAProxy, or the broker it asks, has not recovered yet. */
async function readInTheEnd(api: Api, token: string, conversation: string) {
  let entries: Run['histories'][number]['entries'] = []
  let failure = ''
  const read = () =>
    readHistory(api, token, conversation).then(
      (it) => {
        entries = it
        return true
      },
      (error: Error) => {
        failure = error.message
        return false
      },
    )
  await until(`the history of ${conversation} is read`, read, settleMs).catch((error: Error) => {
    throw new Error(`${error.message}: ${failure}`)
  })
  return entries
}

/** What was completed at QoS 2 has no ids of its own: its messages are those of the log, one by
 * one, so that one too few, one too many or another one is seen. */
function publicationsOf(publisher: ExactPublisher, histories: Run['histories']): Publications {
  const { user, topic, texts } = publisher
  const conversation = conversationOf(user, topic)
  const entries = histories.find((it) => it.conversation === conversation)?.entries ?? []
  const messages = texts.map((text, index) => ({
    conversation,
    id: entries[index]?.id ?? `message ${index + 1} at QoS 2`,
    text,
    isAcknowledged: true,
  }))
  return { from: user, messages }
}

function clientProblems(participants: Participants): readonly string[] {
  const { publishers, exactPublishers, devices } = participants
  const away = devices.filter((it) => !it.client()?.isOpen()).map((it) => it.stream.device)
  const notices = devices.flatMap((it) => it.notices.map((notice) => `refused: ${notice}`))
  const unexpected = [...publishers, ...exactPublishers].flatMap((it) => it.problems)
  const absent = away.length > 0 ? [`not connected in the end: ${away.join()}`] : []
  return [...absent, ...unexpected, ...notices].slice(0, 20)
}

/** How many entries all devices got, repeated ones included. */
export function countDeliveries({ devices }: Run): number {
  return sum(devices.flatMap((it) => it.connections.map((entries) => entries.length)))
}

/** How many of the deliveries were of a position the device had kept before. */
export function countRepeats({ devices }: Run): number {
  const repeats = devices.map(({ connections }) => {
    const entries = connections.flat()
    const distinct = new Set(entries.map(({ conversation, seq }) => `${conversation} ${seq}`))
    return entries.length - distinct.size
  })
  return sum(repeats)
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
