// What is true whatever devices see: the entries of each conversation, and who was a member when.

/** A time of membership: positions `after < seq <= until` are the user's to see. */
interface Span {
  readonly after: number
  until: number
}

export interface Truth {
  /** Adds the next entry of a conversation; returns its position. */
  append(conversation: string, key: string): number
  keyAt(conversation: string, seq: number): string | undefined
  headOf(conversation: string): number
  /** By conversation. */
  heads(): ReadonlyMap<string, number>
  join(user: string, conversation: string, after: number): void
  leave(user: string, conversation: string): void
  isMember(user: string, conversation: string): boolean
  /** Whether the user was a member when the entry was stored. */
  maySee(user: string, conversation: string, seq: number): boolean
  /** The position after which the user sees entries, since the newest join. */
  joinedAfter(user: string, conversation: string): number | undefined
}

export function makeTruth(): Truth {
  const logs = new Map<string, string[]>()
  const spans = new Map<string, Span[]>()
  const spansOf = (user: string, conversation: string) => spans.get(`${user} ${conversation}`) ?? []
  const logOf = (conversation: string) => {
    const log = logs.get(conversation) ?? []
    logs.set(conversation, log)
    return log
  }
  return {
    append: (conversation, key) => logOf(conversation).push(key),
    keyAt: (conversation, seq) => logs.get(conversation)?.[seq - 1],
    headOf: (conversation) => logs.get(conversation)?.length ?? 0,
    heads: () => new Map([...logs].map(([id, { length }]) => [id, length])),
    join(user, conversation, after) {
      logOf(conversation)
      const span = { after, until: Number.POSITIVE_INFINITY }
      spans.set(`${user} ${conversation}`, [...spansOf(user, conversation), span])
    },
    leave(user, conversation) {
      const span = spansOf(user, conversation).at(-1)
      if (span !== undefined) span.until = logOf(conversation).length
    },
    isMember: (user, conversation) =>
      spansOf(user, conversation).at(-1)?.until === Number.POSITIVE_INFINITY,
    maySee: (user, conversation, seq) =>
      spansOf(user, conversation).some(({ after, until }) => seq > after && seq <= until),
    joinedAfter: (user, conversation) => spansOf(user, conversation).at(-1)?.after,
  }
}
