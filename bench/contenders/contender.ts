// What the benchmark knows of a broker it compares: how to start it with the users and groups of a
// case, whom to connect as, and what to stop.

/** Users and groups that a case needs to be there. */
export interface Population {
  /** In the order of the load's clients: senders first, then receivers. */
  readonly users: readonly string[]
  readonly groups: readonly Group[]
}

interface Group {
  readonly id: string
  readonly members: readonly string[]
}

/** A process of a running contender. The first one is the broker. */
export interface Part {
  readonly name: string
  readonly pid: number
}

export interface RunningContender {
  /** host:port */
  readonly address: string
  readonly parts: readonly Part[]
  /** File of the users' names and passwords; undefined where anybody may connect. */
  readonly usersFile: string | undefined
  /** Aborted, with an error that says how, when one of the processes dies. */
  readonly died: AbortSignal
  stop(): Promise<void>
}

export interface Contender {
  readonly name: string
  /** What it is, for the report. */
  readonly title: string
  /** What receivers subscribe to for the messages of their groups; `{i}` is the group's number. */
  readonly groupFilter: string
  /** Why it cannot run here; undefined when it can. */
  missing(): string | undefined
  /** Starts it on a free port of 127.0.0.1; `folder` is empty, and its own. */
  start(population: Population, folder: string): Promise<RunningContender>
}
