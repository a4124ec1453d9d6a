// Reads the stream of tap's `tap` reporter: one line of progress per test file, failures in full,
// the skipped tests with their reasons, and the totals. Pure; it is fed lines and returns lines.

interface TapTotals {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** One run of tap, at its end. */
export interface TapRun {
  /** Undefined when tap did not finish. */
  readonly totals: TapTotals | undefined
  readonly skips: readonly string[]
  readonly exitCode: number
}

export interface TapReader {
  /** Takes one line; returns what to print for it. */
  read(line: string): readonly string[]
  /** Skipped and unfinished tests so far, as `file > test: reason`. */
  skips(): readonly string[]
  /** What tap has counted; undefined until its closing line was read. */
  totals(): TapTotals | undefined
}

/** A test that has begun and not ended. */
interface OpenTest {
  readonly name: string
  /** Whether a failure within it was shown already. */
  hasShownFailure: boolean
}

interface State {
  /** One for each level of nesting. */
  readonly open: OpenTest[]
  readonly skips: string[]
  /** Indentation of the failure whose details pass by. */
  detailIndent: number | undefined
  totals: TapTotals | undefined
}

/** Makes a reader of one run. */
export function makeTapReader(): TapReader {
  const state: State = { open: [], skips: [], detailIndent: undefined, totals: undefined }
  return {
    read: (line) => readLine(state, line),
    skips: () => state.skips,
    totals: () => state.totals,
  }
}

const point = /^(?<indent> *)(?<not>not )?ok \d+(?: - )?(?<rest>.*)$/
const subtest = /^(?<indent> *)# Subtest: (?<name>.*)$/

function readLine(state: State, line: string): readonly string[] {
  if (state.detailIndent !== undefined) return readDetail(state, line)
  // Only the runner's own closing line begins in the first column.
  if (line.startsWith('# { total:')) state.totals = readTotals(line)
  const opened = subtest.exec(line)?.groups
  if (opened !== undefined) {
    const level = levelOf(opened.indent ?? '')
    state.open.length = Math.min(level, state.open.length)
    state.open[level] = { name: opened.name ?? '', hasShownFailure: false }
    return []
  }
  const groups = point.exec(line)?.groups
  return groups === undefined ? [] : readPoint(state, groups)
}

function levelOf(indent: string): number {
  return Math.floor(indent.length / 4)
}

/** Details end with `...` at the indentation of the failure and two more. */
function readDetail(state: State, line: string): readonly string[] {
  const indent = (state.detailIndent ?? 0) + 2
  if (line === `${' '.repeat(indent)}...`) state.detailIndent = undefined
  return [line.slice(indent - 2)]
}

function readPoint(
  state: State,
  groups: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const indent = groups.indent ?? ''
  const level = levelOf(indent)
  const { name, directive, reason, time } = splitRest(groups.rest ?? '')
  // The closing point of a subtest has the name the subtest had.
  const closed = state.open[level]?.name === name ? state.open[level] : undefined
  state.open.length = Math.min(level, state.open.length)
  const path = [...state.open.map((test) => test?.name), name].join(' > ')
  if (directive !== undefined) state.skips.push(`${path}: ${reason || directive.toLowerCase()}`)
  const isFile = level === 0
  if (groups.not === undefined || directive !== undefined) {
    return isFile ? [`${directive === undefined ? 'ok  ' : 'skip'}  ${name}${time}`] : []
  }
  const lines = isFile ? [`FAIL  ${name}${time}`] : []
  // A test that failed only because of what is in it has been shown by that.
  if (closed?.hasShownFailure) return lines
  for (const test of state.open) if (test !== undefined) test.hasShownFailure = true
  state.detailIndent = indent.length
  return isFile ? lines : [...lines, `FAIL  ${path}`]
}

function splitRest(rest: string): {
  readonly name: string
  readonly directive: string | undefined
  readonly reason: string
  readonly time: string
} {
  // A `#` in a name is escaped, so the first plain one begins a comment.
  const at = rest.search(/(?<!\\)#/)
  const name = (at < 0 ? rest : rest.slice(0, at)).trim()
  const comment = at < 0 ? '' : rest.slice(at)
  const [, directive, reason = ''] = /^# (SKIP|TODO)\b ?(.*)$/i.exec(comment) ?? []
  const time = /^# time=([\d.]+m?s)/.exec(comment)?.[1]
  return { name, directive, reason: reason.trim(), time: time === undefined ? '' : `  (${time})` }
}

function readTotals(line: string): TapTotals {
  // Zero ones are left out, and the order is not fixed.
  const count = (name: string): number => Number(new RegExp(`${name}: (\\d+)`).exec(line)?.[1] ?? 0)
  return {
    passed: count('pass'),
    failed: count('fail'),
    skipped: count('skip') + count('todo'),
  }
}

/** The closing line of runs, one after another, and whether all of it is a success. `requireAll`
 * counts a skipped test as a failed one; a run that did not finish, or ended with an exit code
 * other than 0, is at least one failure, and a run in which nothing passed is no success. */
export function concludeRuns(
  runs: readonly Pick<TapRun, 'totals' | 'exitCode'>[],
  requireAll: boolean,
): { readonly line: string; readonly succeeded: boolean } {
  const sum = { passed: 0, failed: 0, skipped: 0 }
  let isEmpty = runs.length === 0
  for (const { totals, exitCode } of runs) {
    const { passed, failed: counted, skipped } = totals ?? { passed: 0, failed: 1, skipped: 0 }
    const failed = requireAll ? counted + skipped : counted
    sum.passed += passed
    sum.failed += exitCode !== 0 && failed === 0 ? 1 : failed
    sum.skipped += skipped
    if (passed === 0) isEmpty = true
  }
  const rest = requireAll || sum.skipped === 0 ? '' : `, ${sum.skipped} skipped`
  const succeeded = sum.failed === 0 && !isEmpty
  return { line: `${sum.passed} passed, ${sum.failed} failed${rest}`, succeeded }
}
