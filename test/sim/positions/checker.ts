// What must hold when a history is over.

import type { Entry } from '../../../protocol/entry.ts'
import { isVoid } from '../../../protocol/entry.ts'
import type { PlacedEntry } from '../../../services/log/positions/ports.ts'
import type { Message, Publisher } from './publisher.ts'
import { numberOf } from './publisher.ts'
import type { Reader } from './reader.ts'
import type { SimulatedStore } from './store.ts'

interface Outcome {
  readonly store: SimulatedStore
  readonly publishers: readonly Publisher[]
  readonly readers: readonly Reader[]
  readonly conversations: readonly string[]
}

/** What does not hold; nothing if all does. */
export function check({ store, publishers, readers, conversations }: Outcome): readonly string[] {
  return [
    ...publishers.flatMap((publisher) => checkPublisher(publisher, store, conversations)),
    ...conversations.flatMap((conversation) => checkNames(store, conversation)),
    ...readers.flatMap((reader) => checkReader(reader, store)),
  ]
}

function checkPublisher(
  { messages, isDone }: Publisher,
  store: SimulatedStore,
  conversations: readonly string[],
): readonly string[] {
  const found = isDone() ? [] : [`stays unacknowledged: ${unacknowledged(messages)}`]
  for (const message of messages) found.push(...checkMessage(message, store))
  for (const conversation of conversations) {
    const mine = messages.filter((message) => message.conversation === conversation)
    let last = 0
    for (const message of mine.filter(isOnce)) {
      const [seq = last] = placesOf(message, store)
      if (seq < last) found.push(`order: ${nameOf(message)}`)
      last = Math.max(last, seq)
    }
  }
  return found
}

function checkMessage(message: Message, store: SimulatedStore): readonly string[] {
  const places = placesOf(message, store)
  const found: string[] = []
  if (message.seq !== undefined && !places.includes(message.seq)) {
    found.push(`acknowledged, and not there: ${nameOf(message)} at ${message.seq}`)
  }
  if (isOnce(message) && places.length > 1)
    found.push(`more than once: ${nameOf(message)} at ${places}`)
  return found
}

/** Whether it may stand in the log only once: one without any id is new when it comes again. */
function isOnce({ kind, timesSent }: Message): boolean {
  return kind !== 'bare' || timesSent === 1
}

function placesOf({ from, conversation, n }: Message, store: SimulatedStore): readonly number[] {
  const isIts = (entry: PlacedEntry) => entry.from === from && numberOf(entry.body.fields) === n
  const slots = [...store.contents(conversation)]
  return slots.filter(([, entry]) => isIts(entry)).map(([seq]) => seq)
}

function checkNames(store: SimulatedStore, conversation: string): readonly string[] {
  const names = [...store.contents(conversation).values()]
    .filter(({ clientId }) => clientId !== undefined)
    .map(({ from, clientId }) => `${from} ${clientId}`)
  return new Set(names).size === names.length ? [] : [`an id twice in ${conversation}`]
}

function checkReader(reader: Reader, store: SimulatedStore): readonly string[] {
  const { conversation, seen, pages } = reader
  const found: string[] = []
  const slots = store.contents(conversation)
  const head = store.head(conversation)
  if (seen.length < head) found.push(`a reader waits at ${seen.length} of ${head}`)
  for (const [index, entry] of seen.entries()) {
    if (!isAt(index + 1, entry, slots)) found.push(`a reader saw something else at ${index + 1}`)
  }
  for (const { before, entries } of pages) {
    const isWhole = entries.every((entry, index) => isAt(before - 1 - index, entry, slots))
    if (!isWhole) found.push(`a page before ${before} is not what stands there`)
  }
  return found.slice(0, 3)
}

function isAt(seq: number, entry: Entry, slots: ReadonlyMap<number, PlacedEntry>): boolean {
  const there = slots.get(seq)
  if (there === undefined || entry.seq !== seq) return false
  if (isVoid(there)) return isVoid(entry)
  return there.from === entry.from && there.body.fields === entry.body.fields
}

function nameOf({ from, conversation, kind, n }: Message): string {
  return `${kind} ${n} of ${from} in ${conversation}`
}

function unacknowledged(messages: readonly Message[]): string {
  return messages
    .filter(({ seq }) => seq === undefined)
    .map(nameOf)
    .join(', ')
}
