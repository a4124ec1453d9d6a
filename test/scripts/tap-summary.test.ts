// The reader of tap's output: what is counted, what is shown, and when a run has succeeded.

import t from 'tap'
import { concludeRuns, makeTapReader, type TapRun } from '../../scripts/tap-summary.ts'

/** The conclusion of one run. */
const concludeRun = (totals: TapRun['totals'], exitCode: number, requireAll: boolean) =>
  concludeRuns([{ totals, exitCode }], requireAll)

function read(text: string) {
  const reader = makeTapReader()
  const shown = text.split('\n').flatMap((line) => reader.read(line))
  return { reader, shown }
}

const passing = `TAP version 14
1..1
# Subtest: build/test/a.test.js
    # Subtest: it works
        ok 1 - should be equal
        1..1
    ok 1 - it works # time=3.761ms
    
    ok 2 - it waits # SKIP needs foo (apt-get install foo)
    # Subtest: outer
        ok 1 - deep # SKIP
        1..1
    ok 3 - outer # time=1ms
    
    ok 4 - later # TODO some day
    1..4
ok 1 - build/test/a.test.js # time=16.838ms

# { total: 4, pass: 1, todo: 1, skip: 2 }
# time=20ms`

const failing = `# Subtest: build/test/b.test.js
    # Subtest: it fails
        not ok 1 - objects \\# differ
          ---
          diff: |
            not ok 7 - a line of the difference
            ...
          ...
        
        1..1
    not ok 1 - it fails # time=44.909ms
      ---
      source: the test around it
      ...
    
    1..1
not ok 1 - build/test/b.test.js # time=82.905ms
  ---
  exitCode: 1
  ...

# Subtest: build/test/c.test.js
    1..0 # no tests found
not ok 2 - build/test/c.test.js # time=866.776ms
  ---
  exitCode: 3
  ...

# { total: 2, fail: 2 }`

t.test('a file that passes is one line', async (t) => {
  t.same(read(passing).shown, ['ok    build/test/a.test.js  (16.838ms)'])
})

t.test('skipped and unfinished tests are listed with their reasons', async (t) => {
  t.same(read(passing).reader.skips(), [
    'build/test/a.test.js > it waits: needs foo (apt-get install foo)',
    'build/test/a.test.js > outer > deep: skip',
    'build/test/a.test.js > later: some day',
  ])
})

t.test('the totals are those of the last line that tap writes', async (t) => {
  t.same(read(passing).reader.totals(), { passed: 1, failed: 0, skipped: 3 })
  t.same(read(failing).reader.totals(), { passed: 0, failed: 2, skipped: 0 })
  t.equal(read('    # { total: 9, pass: 9 }').reader.totals(), undefined)
})

t.test('a failure is shown once, in full, where it happened', async (t) => {
  t.same(read(failing).shown, [
    'FAIL  build/test/b.test.js > it fails > objects \\# differ',
    '  ---',
    '  diff: |',
    '    not ok 7 - a line of the difference',
    '    ...',
    '  ...',
    'FAIL  build/test/b.test.js  (82.905ms)',
    'FAIL  build/test/c.test.js  (866.776ms)',
    '  ---',
    '  exitCode: 3',
    '  ...',
  ])
})

t.test('the closing line names passes, failures, and skips if there are any', async (t) => {
  const conclude = (totals: Parameters<typeof concludeRun>[0], code = 0, all = false) =>
    concludeRun(totals, code, all)
  t.same(conclude({ passed: 3, failed: 0, skipped: 0 }), {
    line: '3 passed, 0 failed',
    succeeded: true,
  })
  t.same(conclude({ passed: 3, failed: 0, skipped: 2 }), {
    line: '3 passed, 0 failed, 2 skipped',
    succeeded: true,
  })
  t.same(conclude({ passed: 3, failed: 1, skipped: 0 }, 1), {
    line: '3 passed, 1 failed',
    succeeded: false,
  })
})

t.test(
  'nothing passed, a crash of tap, and a skip where all is required are failures',
  async (t) => {
    const none = { passed: 0, failed: 0, skipped: 0 }
    t.equal(concludeRun(none, 0, false).succeeded, false)
    t.same(concludeRun(undefined, 1, false), { line: '0 passed, 1 failed', succeeded: false })
    const skipped = { passed: 3, failed: 0, skipped: 2 }
    t.same(concludeRun(skipped, 0, true), { line: '3 passed, 2 failed', succeeded: false })
    const crashed = { passed: 3, failed: 0, skipped: 0 }
    t.same(concludeRun(crashed, 1, false), { line: '3 passed, 1 failed', succeeded: false })
  },
)

t.test('runs at several levels are one: their sum, and a failure if one of them is', async (t) => {
  const good = { totals: { passed: 3, failed: 0, skipped: 1 }, exitCode: 0 }
  const bad = { totals: { passed: 2, failed: 1, skipped: 0 }, exitCode: 1 }
  const crashed = { totals: undefined, exitCode: 1 }
  const empty = { totals: { passed: 0, failed: 0, skipped: 0 }, exitCode: 0 }
  t.same(concludeRuns([good, good], false), {
    line: '6 passed, 0 failed, 2 skipped',
    succeeded: true,
  })
  t.same(concludeRuns([good, good], true), { line: '6 passed, 2 failed', succeeded: false })
  t.same(concludeRuns([good, bad], false), {
    line: '5 passed, 1 failed, 1 skipped',
    succeeded: false,
  })
  t.same(concludeRuns([bad, crashed], false), { line: '2 passed, 2 failed', succeeded: false })
  t.equal(concludeRuns([good, empty], false).succeeded, false, 'nothing passed in one of them')
})
