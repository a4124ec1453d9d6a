// A log store that follows a script: it stores in memory, fails, hangs or breaks as it is told, and
// writes down what was asked of it.

import type { NewEntry } from '../../../../protocol/entry.ts'
import { StoreFailure } from '../../../../protocol/failure.ts'
import type { Logger } from '../../../../protocol/logger.ts'
import type { AppendRequest } from '../../../../services/log/log.ts'
import type { AppendOutcome, AppendResult, LogStore } from '../../../../services/log/ports.ts'

export interface ScriptedStore extends LogStore {
  /** The texts of each batch that was asked for, in order. */
  readonly batches: string[][]
  /** The packet ids of each release, in order. */
  readonly releases: number[][]
  /** Batches that are being stored now, and most at a time. */
  readonly inFlight: { now: number; most: number }
  /** So many of the next appends fail with `StoreFailure`. */
  failNext(times: number): void
  /** Appends wait until `release`. */
  hold(): void
  release(): void
  /** Batches with this text throw what is not a `StoreFailure`. */
  poison(text: string): void
  /** Called when an append begins. */
  onAppend: (() => void) | undefined
}

export function makeScriptedStore(): ScriptedStore {
  const stored = new Map<string, AppendOutcome>()
  const heads = new Map<string, number>()
  const poisoned = new Set<string>()
  let failures = 0
  let gate: Promise<void> = Promise.resolve()
  let open = () => {}

  const storeOne = (entry: NewEntry, at: number): AppendOutcome => {
    const { conversation, from, body } = entry
    const key = JSON.stringify([conversation, from, body.messageId])
    const known = body.messageId === undefined ? undefined : stored.get(key)
    if (known) return { ...known, kind: 'duplicate' }
    const seq = (heads.get(conversation) ?? 0) + 1
    heads.set(conversation, seq)
    const outcome: AppendOutcome = { kind: 'appended', seq, at }
    stored.set(key, outcome)
    return outcome
  }

  const store: ScriptedStore = {
    batches: [],
    releases: [],
    inFlight: { now: 0, most: 0 },
    onAppend: undefined,
    failNext(times) {
      failures = times
    },
    hold() {
      gate = new Promise((resolve) => {
        open = resolve
      })
    },
    release: () => open(),
    poison: (text) => void poisoned.add(text),
    async append(batch, at) {
      const { inFlight } = store
      inFlight.most = Math.max(inFlight.most, ++inFlight.now)
      store.batches.push(batch.map(({ body }) => body.fields))
      store.onAppend?.()
      try {
        await gate
        if (failures > 0) {
          failures--
          throw new StoreFailure('database is locked')
        }
        if (batch.some(({ body }) => poisoned.has(body.fields))) throw new TypeError('a bug')
        return batch.map((entry) => storeOne(entry, at))
      } finally {
        inFlight.now--
      }
    },
    read: async () => [],
    heads: async (conversations) => conversations.map((id) => heads.get(id) ?? 0),
    async releasePackets(packets) {
      await gate
      if (failures > 0) {
        failures--
        throw new StoreFailure('database is locked')
      }
      store.releases.push(packets.map(({ packetId }) => packetId))
    },
    unreleasedPackets: async () => [],
  }
  return store
}

/** What happened to one request, in the order of the calls. */
export interface Seen {
  readonly text: string
  readonly what: AppendResult['kind'] | 'announced'
  readonly seq: number | undefined
}

interface RequestOptions {
  readonly conversation?: string
  readonly from?: string
  readonly messageId?: string
  readonly isAbandoned?: boolean
}

/** A request whose end is written to `seen`. */
export function request(
  seen: Seen[],
  text: string,
  { conversation = 'g:town', from = 'alice', messageId, isAbandoned = false }: RequestOptions = {},
): AppendRequest {
  return {
    conversation,
    from,
    body: { kind: 'text', messageId, fields: text },
    isAbandoned: () => isAbandoned,
    settled: (result) => {
      const seq = result.kind === 'failed' ? undefined : result.seq
      seen.push({ text, what: result.kind, seq })
    },
  }
}

/** Log lines by their messages. */
export function makeNotebook(): Logger & { readonly lines: string[] } {
  const lines: string[] = []
  const write = (level: string) => (_: object, message: string) =>
    void lines.push(`${level}: ${message}`)
  return {
    lines,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  }
}
