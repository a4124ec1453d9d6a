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
}

type Report = (problem: string) => void

/** What one witness saw of one conversation, merged over reconnects: seq n stands at n - 1. */
interface Testimony {
  readonly witness: string
  readonly conversation: string
  readonly entries: readonly (SeenEntry | undefined)[]
}

const problemsMax = 40

/** The problems of a run, at most 40; none when all that was acknowledged is with everyone, once,
 * in order. Within a connection each position must follow the one before it. On a new connection
 * positions may begin again, at most one above what was seen, and must be what they were: a crash
 * repeats what was not flushed. */
export function checkRun({ publications, devices, histories }: Run): readonly string[] {
  const problems: string[] = []
  const report: Report = (problem) => {
    if (problems.length < problemsMax) problems.push(problem)
  }
  const testimonies = [
    ...histories.map((history) => readHistory(history, report)),
    ...devices.flatMap((device) => mergeConnections(device, report)),
  ]
  const log = checkAgreement(testimonies, report)
  const stored = indexLog(log, report)
  for (const publication of publications) checkPublications(publication, stored, report)
  checkOrigin(stored, publications, report)
  return problems
}

function readHistory({ conversation, entries }: History, report: Report): Testimony {
  for (const [index, { seq }] of entries.entries()) {
    if (seq !== index + 1)
      report(`history of ${conversation}: seq ${seq} where ${index + 1} belongs`)
  }
  return { witness: 'history', conversation, entries }
}

function mergeConnections(stream: DeviceStream, report: Report): readonly Testimony[] {
  const merged = new Map<string, SeenEntry[]>(stream.conversations.map((id) => [id, []]))
  for (const [number, connection] of stream.connections.entries()) {
    const witness = `${stream.device}, connection ${number + 1}`
    const previous = new Map<string, number>()
    for (const entry of connection) {
      const seen = merged.get(entry.conversation)
      if (seen === undefined) {
        report(`${witness}: got ${entry.conversation}, of which its user is no member`)
        continue
      }
      const last = previous.get(entry.conversation)
      previous.set(entry.conversation, entry.seq)
      const fault = stepFault(entry.seq, last, seen.length)
      if (fault !== undefined) report(`${witness}, ${entry.conversation}: ${fault}`)
      const before = seen[entry.seq - 1]
      if (before !== undefined && before.json !== entry.json) {
        report(`${witness}, ${entry.conversation}: seq ${entry.seq} came again as another entry`)
      }
      seen[entry.seq - 1] ??= entry
    }
  }
  return [...merged].map(([conversation, entries]) => ({
    witness: stream.device,
    conversation,
    entries,
  }))
}

/** What is wrong with `seq` after `last` of the same connection, or as the first of a connection
 * after `seen` positions; undefined when nothing is. */
function stepFault(seq: number, last: number | undefined, seen: number): string | undefined {
  if (last === undefined) return seq > seen + 1 ? `gap: seq ${seq} after ${seen}` : undefined
  if (seq === last + 1) return undefined
  if (seq === last) return `seq ${seq} twice on one connection`
  return seq > last ? `gap: seq ${seq} after ${last}` : `disorder: seq ${seq} after ${last}`
}

/** Everybody must have seen the same. Returns the longest testimony of each conversation. */
function checkAgreement(
  testimonies: readonly Testimony[],
  report: Report,
): ReadonlyMap<string, Testimony> {
  const log = new Map<string, Testimony>()
  for (const testimony of testimonies) {
    const longest = log.get(testimony.conversation)
    if (longest === undefined || longest.entries.length < testimony.entries.length) {
      log.set(testimony.conversation, testimony)
    }
  }
  for (const { witness, conversation, entries } of testimonies) {
    const reference = log.get(conversation) as Testimony
    for (const [index, expected] of reference.entries.entries()) {
      const found = entries[index]
      const where = `seq ${index + 1} of ${conversation}`
      if (found === undefined) report(`${witness} lacks ${where}`)
      else if (expected !== undefined && found.json !== expected.json) {
        report(`${witness} and ${reference.witness} disagree on ${where}`)
      }
    }
  }
  return log
}

const keyOf = (conversation: string, from: string, id: string): string =>
  [conversation, from, id].join('\0')

/** The log by (conversation, from, id), each of which may stand there once. */
function indexLog(
  log: ReadonlyMap<string, Testimony>,
  report: Report,
): ReadonlyMap<string, SeenEntry> {
  const stored = new Map<string, SeenEntry>()
  for (const { conversation, entries } of log.values()) {
    for (const entry of entries) {
      if (entry === undefined) continue
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
