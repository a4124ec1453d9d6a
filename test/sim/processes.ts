// The processes of the server in a history, one at a time: starts them over what is committed,
// crashes them, stops them in good order, and stands between their log and their engine.

import type { Entry } from '../../protocol/entry.ts'
import { groupConversation } from '../../protocol/ids.ts'
import type { Random } from './random.ts'
import type { Server, ServerOptions } from './server.ts'
import { startServer } from './server.ts'
import type { Mood, Ports, StoreClient } from './store.ts'
import { calm, openStore } from './store.ts'
import type { Timers } from './timers.ts'

/** One process, with everything that dies with it. */
interface Process {
  readonly store: StoreClient
  server: Server | undefined
  /** Announcements that are late. */
  readonly late: (() => void)[]
  isDead: boolean
}

export interface Processes {
  /** Starts a process where none is. */
  start(): Promise<void>
  /** Ends the process at once: what was not committed is gone. */
  crash(): void
  /** Stops the process in good order; some time later it is gone. */
  stop(): void
  /** The server that runs, if one does. */
  server(): Server | undefined
  /** How the store behaves from now on. */
  setMood(mood: Mood): void
  /** From now on every announcement arrives. Those that are late never do. */
  heal(): void
  /** Lets one call of the store go on; false when none waits. */
  proceed(): boolean
  /** Lets one late announcement arrive. */
  announce(): void
  /** Joins a user to a group, or removes one who is a member. */
  changeMember(group: string, user: string, kind: 'join' | 'leave'): void
  /** Whether a change of the user's is not answered yet. */
  isChanging(user: string): boolean
  /** Users whose change of membership reaches connected devices only when they reconnect. */
  readonly unheard: Set<string>
}

export interface ProcessesParts {
  readonly ports: Ports
  readonly options: ServerOptions
  readonly random: Random
  readonly timers: Timers
  readonly losesAnnouncements: boolean
  readonly report: (violation: string) => void
  readonly trace: (line: string) => void
  /** The engine has been told of an entry. */
  readonly announced: (entry: Entry) => void
  /** The process is gone, and its connections with it. */
  readonly gone: () => void
  /** A removal has been answered, or cannot be any more. */
  readonly removalEnded: (user: string, conversation: string) => void
}

export function makeProcesses(parts: ProcessesParts): Processes {
  const { random, trace } = parts
  const unheard = new Set<string>()
  let process: Process | undefined
  let mood = calm
  let isHealed = false
  const changing = new Map<string, string>()

  const announceIn = (to: Process, entry: Entry, deliver: (entry: Entry) => void) => {
    const fate = parts.losesAnnouncements && !isHealed ? random.below(100) : 100
    const tell = () => {
      deliver(entry)
      parts.announced(entry)
    }
    if (fate < 30) return trace(`${entry.conversation} ${entry.seq} is not announced`)
    if (fate < 55) to.late.push(tell)
    if (fate >= 45) tell()
  }

  const end = () => {
    if (process === undefined) return
    process.isDead = true
    process.store.die()
    process = undefined
    parts.timers.clear()
    parts.gone()
    for (const [user, group] of changing) parts.removalEnded(user, groupConversation(group))
    changing.clear()
  }

  const change = async (server: Server, group: string, user: string, kind: 'join' | 'leave') => {
    const { conversations } = server
    const request = { by: undefined, group, user }
    if (kind === 'join') await conversations.addMember(request)
    else await conversations.removeMember(request)
  }

  return {
    unheard,
    isChanging: (user) => changing.has(user),
    async start() {
      if (process !== undefined) return
      const made: Process = {
        store: openStore(parts.ports, random),
        server: undefined,
        late: [],
        isDead: false,
      }
      process = made
      made.store.mood = mood
      made.server = await startServer(
        {
          store: made.store,
          clock: parts.timers.now,
          announce: (entry, deliver) => announceIn(made, entry, deliver),
          unheard: ({ user }) => void unheard.add(user),
          broken: (what) => parts.report(`the server is broken: ${what}`),
        },
        parts.options,
      )
      trace('the server runs')
    },
    crash() {
      if (process === undefined) return
      trace('the server crashes')
      end()
    },
    stop() {
      const stopping = process
      const server = stopping?.server
      if (stopping === undefined || server === undefined) return
      trace('the server is stopped')
      stopping.server = undefined
      const stopped = () => {
        if (stopping.isDead) return
        trace('the server has stopped')
        end()
      }
      server.close().then(stopped, (error: unknown) => parts.report(`cannot stop: ${error}`))
    },
    server: () => process?.server,
    setMood(next) {
      mood = next
      if (process) process.store.mood = next
    },
    heal() {
      isHealed = true
      process?.late.splice(0)
    },
    proceed: () => process?.store.proceed() ?? false,
    announce() {
      const late = process?.late ?? []
      late.splice(random.below(late.length), 1)[0]?.()
    },
    changeMember(group, user, kind) {
      const now = process
      if (now?.server === undefined || changing.has(user)) return
      trace(`${user} is to ${kind} ${group}`)
      changing.set(user, group)
      const ended = (what: string) => {
        if (now.isDead) return
        trace(`${user}: ${kind} ${what}`)
        changing.delete(user)
        parts.removalEnded(user, groupConversation(group))
      }
      change(now.server, group, user, kind).then(
        () => ended('is done'),
        (error: unknown) => ended(`failed: ${error}`),
      )
    },
  }
}
