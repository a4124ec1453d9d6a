// The table of jobs: what waits, what runs in this process, and what was given up. Who runs them,
// and when, is the business of job-queue.ts.

import { crashesMax, deadKeptMs, deadMax } from '../../services/jobs/limits.ts'
import type { SqlDriver } from './driver.ts'
import type { Transact } from './transaction.ts'

/** A job to store; `payload` is JSON. */
interface StoredJob {
  readonly kind: string
  readonly key: string | undefined
  readonly payload: string
  readonly runAt: number
  readonly replaces: boolean
  readonly attemptsMax: number
}

/** A job that this process has taken. `attempts` have failed before. */
export interface TakenJob {
  readonly id: number
  readonly kind: string
  readonly payload: string
  readonly attempts: number
  readonly attemptsMax: number
}

/** How many jobs of a kind are wanted. */
interface Wanted {
  readonly kind: string
  readonly limit: number
}

/** What was taken; `nextAt` is when more will be due of the kinds of which all were taken. */
interface Taking {
  readonly taken: readonly TakenJob[]
  readonly nextAt: number | undefined
}

/** How a run ended: done, to be run again at `runAt`, given back, or given up. */
export type JobEnd = { readonly id: number } & (
  | { readonly kind: 'done' | 'givenBack' }
  | { readonly kind: 'again'; readonly runAt: number }
  | { readonly kind: 'dead'; readonly reason: string }
)

interface DeadRow {
  readonly kind: string
  readonly payload: string
  readonly at: number
  readonly reason: string
}

interface JobCountRow {
  readonly kind: string
  readonly waiting: number
  readonly running: number
  readonly dead: number
}

export interface JobWrites {
  addJob(job: StoredJob, now: number): void
  cancelJob(kind: string, key: string): boolean
  takeJobs(wanted: readonly Wanted[], now: number): Taking
  endJob(end: JobEnd, now: number): void
}

export interface JobReads {
  deadJobs(kind: string, limit: number): readonly DeadRow[]
  countJobs(): readonly JobCountRow[]
}

const reasonCharsMax = 500

/** A job whose key runs waits for that. */
const isFree = `NOT EXISTS (
  SELECT 1 FROM jobs other
  WHERE other.kind = jobs.kind AND other.dedupe = jobs.dedupe AND other.state = 'running')`

export function makeJobWrites(driver: SqlDriver, transact: Transact): JobWrites {
  const dropReplaced = driver.prepare(`
    DELETE FROM jobs WHERE kind = ? AND dedupe = ? AND state = 'waiting' AND run_at > ?`)
  const insert = driver.prepare(`
    INSERT INTO jobs (kind, dedupe, payload, run_at, attempts_max)
    SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (
      SELECT 1 FROM jobs WHERE kind = ?1 AND dedupe = ?2 AND state = 'waiting')`)
  const drop = driver.prepare(
    "DELETE FROM jobs WHERE kind = ? AND dedupe = ? AND state = 'waiting'",
  )
  const selectDue = driver.prepare<{ id: number; dedupe: string | null } & Omit<TakenJob, 'id'>>(`
    SELECT id, kind, dedupe, payload, attempts, attempts_max AS attemptsMax FROM jobs
    WHERE kind = ? AND state = 'waiting' AND run_at <= ? AND ${isFree} ORDER BY run_at LIMIT ?`)
  const selectNext = driver.prepare<{ at: number }>(`
    SELECT run_at AS at FROM jobs
    WHERE kind = ? AND state = 'waiting' AND run_at > ? ORDER BY run_at LIMIT 1`)
  const markRunning = driver.prepare("UPDATE jobs SET state = 'running' WHERE id = ?")
  const remove = driver.prepare('DELETE FROM jobs WHERE id = ?')
  const giveBack = driver.prepare("UPDATE jobs SET state = 'waiting' WHERE id = ?")
  const runAgain = driver.prepare(
    "UPDATE jobs SET state = 'waiting', attempts = attempts + 1, run_at = ? WHERE id = ?",
  )
  const bury = makeBury(driver)

  const take = ({ kind, limit }: Wanted, now: number): TakenJob[] => {
    const running = new Set<string>()
    const taken: TakenJob[] = []
    for (const row of selectDue.all([kind, now, limit])) {
      const { id, dedupe, payload, attempts, attemptsMax } = row
      // A failed one waits beside the one that came after it.
      if (dedupe !== null && running.has(dedupe)) continue
      if (dedupe !== null) running.add(dedupe)
      markRunning.run([id])
      taken.push({ id, kind, payload, attempts, attemptsMax })
    }
    return taken
  }

  return {
    addJob({ kind, key = null, payload, runAt, replaces, attemptsMax }, now) {
      transact(() => {
        if (replaces && key !== null) dropReplaced.run([kind, key, now])
        insert.run([kind, key, payload, runAt, attemptsMax])
      })
    },
    cancelJob: (kind, key) => transact(() => drop.run([kind, key]).changes > 0),
    takeJobs: (wanted, now) =>
      transact(() => {
        const taken: TakenJob[] = []
        let nextAt = Number.POSITIVE_INFINITY
        for (const want of wanted) {
          const some = take(want, now)
          taken.push(...some)
          if (some.length === want.limit) continue
          nextAt = Math.min(nextAt, selectNext.get([want.kind, now])?.at ?? nextAt)
        }
        return { taken, nextAt: nextAt === Number.POSITIVE_INFINITY ? undefined : nextAt }
      }),
    endJob(end, now) {
      transact(() => {
        if (end.kind === 'again') runAgain.run([end.runAt, end.id])
        else if (end.kind === 'dead') bury(end.id, end.reason, now)
        else if (end.kind === 'givenBack') giveBack.run([end.id])
        else remove.run([end.id])
      })
    },
  }
}

/** Keeps a job as dead, and removes those that were kept long enough. */
function makeBury(driver: SqlDriver) {
  const markDead = driver.prepare<{ kind: string }>(`
    UPDATE jobs SET state = 'dead', dead_at = ?, reason = ? WHERE id = ? RETURNING kind`)
  const prune = driver.prepare(`
    DELETE FROM jobs WHERE state = 'dead' AND kind = ?1 AND (dead_at < ?2 OR id IN (
      SELECT id FROM jobs WHERE state = 'dead' AND kind = ?1
      ORDER BY dead_at DESC, id DESC LIMIT -1 OFFSET ${deadMax}))`)
  return (id: number, reason: string, now: number) => {
    const [row] = markDead.all([now, reason.slice(0, reasonCharsMax), id])
    if (row !== undefined) prune.run([row.kind, now - deadKeptMs])
  }
}

/** What ran when the server was killed runs again; what did so too often is dead. For who opens the
 * store. */
export function releaseAbandonedJobs(driver: SqlDriver, now: number): void {
  driver
    .prepare(`
      UPDATE jobs SET
        crashes = crashes + 1,
        state = CASE WHEN crashes + 1 >= ${crashesMax} THEN 'dead' ELSE 'waiting' END,
        dead_at = CASE WHEN crashes + 1 >= ${crashesMax} THEN ? END,
        reason = 'the server was killed while it ran'
      WHERE state = 'running'`)
    .run([now])
}

export function makeJobReads(driver: SqlDriver): JobReads {
  const selectDead = driver.prepare<DeadRow>(`
    SELECT kind, payload, dead_at AS at, reason FROM jobs
    WHERE kind = ? AND state = 'dead' ORDER BY dead_at DESC, id DESC LIMIT ?`)
  const count = driver.prepare<JobCountRow>(`
    SELECT kind, count(*) FILTER (WHERE state = 'waiting') AS waiting,
      count(*) FILTER (WHERE state = 'running') AS running,
      count(*) FILTER (WHERE state = 'dead') AS dead
    FROM jobs GROUP BY kind`)
  return {
    deadJobs: (kind, limit) =>
      selectDead
        .all([kind, limit])
        .map(({ kind, payload, at, reason }) => ({ kind, payload, at, reason })),
    countJobs: () =>
      count.all([]).map(({ kind, waiting, running, dead }) => ({ kind, waiting, running, dead })),
  }
}
