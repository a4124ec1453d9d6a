// Judges a run: compares what publishers had acknowledged with what every device got and with what
// HTTP history shows. Pure; it finds loss, repetition, disorder, gaps and disagreement, and knows
// nothing of how the run was made.

/** An entry as a device, or a page of history, showed it. `json` is the whole envelope. */
export interface SeenEntry {
  readonly conversation: string
  readonly seq: number
  readonly from: string
  readonly id: string
  readonly text: string
  readonly json: string
}

/** A message that a publisher sent at least once. */
export interface SentMessage {
  readonly conversation: string
  readonly id: string
  readonly text: string
  readonly isAcknowledged: boolean
}

/** All messages of one publisher, in the order in which it sent them first. */
export interface Publications {
  readonly from: string
  readonly messages: readonly SentMessage[]
}

/** What one device of a member got, one list for each of its connections, in order. */
export interface DeviceStream {
  readonly device: string
  /** The conversations its user is a member of. */
  readonly conversations: readonly string[]
  readonly connections: readonly (readonly SeenEntry[])[]
  /** For each connection, the positions by conversation up to which the device's acknowledgements
   * were in the store when it was opened: nothing of them may come again. */
  readonly flushed?: readonly ReadonlyMap<string, number>[]
}

/** A conversation read over HTTP from its beginning to its end. */
interface History {
  readonly conversation: string
  readonly entries: readonly SeenEntry[]
}

export interface Run {
  readonly publications: readonly Publications[]
  readonly devices: readonly DeviceStream[]
  readonly histories: readonly History[]
  /** Whether there may be positions that nobody shows, as brokers that were killed leave them.
   * Without it, each conversation has all positions. */
  readonly mayHaveVoids?: boolean
}

type Report = (problem: string) => void

/** What one witness saw of one conversation, merged over reconnects: seq n stands at n - 1. */
interface Testimony {
  readonly witness: string
  readonly conversation: string
  readonly entries: readonly (SeenEntry | undefined)[]
}

/** What is at each position of a conversation, by all witnesses together. */
type Log = ReadonlyMap<string, readonly (Seen | undefined)[]>

interface Seen {
  readonly entry: SeenEntry
  readonly witness: string
}

const problemsMax = 40

/** The problems of a run, at most 40; none when all that was acknowledged is with everyone, once,
 * in order. Within a connection each position must follow the one before it, voids left out. On a
 * new connection positions may begin again, above what was flushed and at most one above what was
 * seen, and must be what they were: a crash repeats what was not flushed. */
export function checkRun(run: Run): readonly string[] {
  const { publications, devices, histories, mayHaveVoids = false } = run
  const problems: string[] = []
  const report: Report = (problem) => {
    if (problems.length < problemsMax) problems.push(problem)
  }
  const testimonies = [...histories.map(readHistory), ...devices.flatMap(mergeConnections)]
  const log = mergeTestimonies(testimonies)
  const steps: Steps = {
    report,
    first: (conversation, after, before) => {
      const entries = log.get(conversation) ?? []
      for (let seq = after + 1; seq < before; seq++) {
        if (!mayHaveVoids || entries[seq - 1] !== undefined) return seq
      }
      return undefined
    },
  }
  for (const history of histories) checkHistory(history, steps)
  for (const device of devices) checkConnections(device, steps)
  checkAgreement(testimonies, log, report)
  const stored = indexLog(log, report)
  for (const publication of publications) checkPublications(publication, stored, report)
  checkOrigin(stored, publications, report)
  return problems
}

/** How many positions of a run nobody shows. */
export function countVoids({ devices, histories }: Run): number {
  const log = mergeTestimonies([
    ...histories.map(readHistory),
    ...devices.flatMap(mergeConnections),
  ])
  let voids = 0
  for (const entries of log.values()) {
    for (const seen of entries) if (seen === undefined) voids++
  }
  return voids
}

function readHistory({ conversation, entries }: History): Testimony {
  const positions: SeenEntry[] = []
  for (const entry of entries) positions[entry.seq - 1] = entry
  return { witness: 'history', conversation, entries: positions }
}

function mergeConnections({ device, conversations, connections }: DeviceStream): Testimony[] {
  const merged = new Map<string, SeenEntry[]>(conversations.map((id) => [id, []]))
  for (const entry of connections.flat()) {
    const seen = merged.get(entry.conversation)
    if (seen !== undefined) seen[entry.seq - 1] ??= entry
  }
  return [...merged].map(([conversation, entries]) => ({ witness: device, conversation, entries }))
}

function mergeTestimonies(testimonies: readonly Testimony[]): Log {
  const log = new Map<string, (Seen | undefined)[]>()
  for (const { witness, conversation, entries } of testimonies) {
    const merged = log.get(conversation) ?? []
    log.set(conversation, merged)
    for (const [index, entry] of entries.entries()) {
      if (merged[index] === undefined) merged[index] = entry && { entry, witness }
    }
  }
  return log
}

/** How positions may follow each other. */
interface Steps {
  readonly report: Report
  /** The first position between the two that must not be left out; undefined when all may. */
  first(conversation: string, after: number, before: number): number | undefined
}

function checkHistory({ conversation, entries }: History, { report, first }: Steps): void {
  let last = 0
  for (const { seq } of entries) {
    const missing = seq > last ? first(conversation, last, seq) : last + 1
    if (missing !== undefined) {
      report(`history of ${conversation}: seq ${seq} where ${missing} belongs`)
    }
    last = seq
  }
}

function checkConnections(stream: DeviceStream, steps: Steps): void {
  const { report } = steps
  const merged = new Map<string, SeenEntry[]>(stream.conversations.map((id) => [id, []]))
  for (const [number, connection] of stream.connections.entries()) {
    const witness = `${stream.device}, connection ${number + 1}`
    const previous = new Map<string, number>()
    for (const entry of connection) {
      const { conversation, seq } = entry
      const seen = merged.get(conversation)
      if (seen === undefined) {
        report(`${witness}: got ${conversation}, of which its user is no member`)
        continue
      }
      const last = previous.get(conversation)
      previous.set(conversation, seq)
      const fault = stepFault(entry, last ?? seen.length, { ...steps, isNew: last === undefined })
      if (fault !== undefined) report(`${witness}, ${conversation}: ${fault}`)
      const flushed = stream.flushed?.[number]?.get(conversation) ?? 0
      if (seq <= flushed) {
        report(`${witness}, ${conversation}: repeated: seq ${seq}, acknowledged up to ${flushed}`)
      }
      const before = seen[seq - 1]
      if (before !== undefined && before.json !== entry.json) {
        report(`${witness}, ${conversation}: seq ${seq} came again as another entry`)
      }
      seen[seq - 1] ??= entry
    }
  }
}

/** What is wrong with an entry after `last`, the position before it on the connection, or the
 * highest that was seen when it is the first; undefined when nothing is. */
function stepFault(
  { conversation, seq }: SeenEntry,
  last: number,
  { first, isNew }: Pick<Steps, 'first'> & { readonly isNew: boolean },
): string | undefined {
  if (seq > last) {
    const isGap = first(conversation, last, seq) !== undefined
    return isGap ? `gap: seq ${seq} after ${last}` : undefined
  }
  if (isNew) return undefined
  if (seq === last) return `seq ${seq} twice on one connection`
  return `disorder: seq ${seq} after ${last}`
}

/** Everybody must have seen the same. */
function checkAgreement(testimonies: readonly Testimony[], log: Log, report: Report): void {
  for (const { witness, conversation, entries } of testimonies) {
    for (const [index, expected] of (log.get(conversation) ?? []).entries()) {
      if (expected === undefined) continue
      const found = entries[index]
      const where = `seq ${index + 1} of ${conversation}`
      if (found === undefined) report(`${witness} lacks ${where}`)
      else if (found.json !== expected.entry.json) {
        report(`${witness} and ${expected.witness} disagree on ${where}`)
      }
    }
  }
}

const keyOf = (conversation: string, from: string, id: string): string =>
  [conversation, from, id].join('\0')

/** The log by (conversation, from, id), each of which may stand there once. */
function indexLog(log: Log, report: Report): ReadonlyMap<string, SeenEntry> {
  const stored = new Map<string, SeenEntry>()
  for (const [conversation, positions] of log) {
    for (const seen of positions) {
      if (seen === undefined) continue
      const { entry } = seen
      const key = keyOf(conversation, entry.from, entry.id)
      const twin = stored.get(key)
      if (twin === undefined) stored.set(key, entry)
      else {
        const seqs = `seq ${twin.seq} and ${entry.seq}`
        report(`${entry.id} of ${entry.from} stands twice in ${conversation}: ${seqs}`)
      }
    }
  }
  return stored
}

function checkPublications(
  { from, messages }: Publications,
  stored: ReadonlyMap<string, SeenEntry>,
  report: Report,
): void {
  const heads = new Map<string, SeenEntry>()
  for (const { conversation, id, text, isAcknowledged } of messages) {
    const entry = stored.get(keyOf(conversation, from, id))
    if (entry === undefined) {
      if (isAcknowledged) report(`${id} of ${from} was acknowledged and is not in ${conversation}`)
      continue
    }
    if (entry.text !== text) report(`${id} of ${from} has another text in ${conversation}`)
    const before = heads.get(conversation)
    if (before !== undefined && before.seq > entry.seq) {
      report(`order of ${from} in ${conversation}: ${id} was sent after ${before.id}`)
    }
    heads.set(conversation, entry)
  }
}

/** Nothing may be in the log that nobody sent. */
function checkOrigin(
  stored: ReadonlyMap<string, SeenEntry>,
  publications: readonly Publications[],
  report: Report,
): void {
  const sent = new Set<string>()
  for (const { from, messages } of publications) {
    for (const { conversation, id } of messages) sent.add(keyOf(conversation, from, id))
  }
  for (const [key, { conversation, seq }] of stored) {
    if (!sent.has(key)) report(`nobody sent what is at seq ${seq} of ${conversation}`)
  }
}
