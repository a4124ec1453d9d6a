// Writes in groups: while one group is being written the next gathers, so that the wait for the
// disk is shared.

export interface Groups<Request> {
  /** Puts the request into the group that gathers. How many wait is the caller's to bound. */
  add(request: Request): void
  /** Resolves when all that was added is answered. */
  drained(): Promise<void>
}

/** Most requests of one group. */
const groupMax = 1000

/** Makes the grouping. `write` stores a group and answers its requests; it never rejects. Groups
 * are written one after the other, in the order their requests came. */
export function makeGroups<Request>(
  write: (group: readonly Request[]) => Promise<void>,
): Groups<Request> {
  const waiting: Request[] = []
  let running: Promise<void> | undefined

  const run = async () => {
    while (waiting.length > 0) await write(waiting.splice(0, groupMax))
    running = undefined
  }

  return {
    add(request) {
      waiting.push(request)
      // In the next turn: the other sockets of this one bring the rest of the group.
      running ??= nextTurn().then(run)
    },
    drained: () => running ?? Promise.resolve(),
  }
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))
