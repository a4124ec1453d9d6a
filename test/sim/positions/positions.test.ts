// Write-once positions, in histories that are decided by their seeds: the real rules over a
// store and a sequencer that are late, forgetful and away. `npm run test:positions` is the long
// run.

import t from 'tap'
import { runPositions } from './history.ts'
import { sabotages } from './sabotage.ts'

const firstSeed = Number(process.env.PARLEY_TEST_SEED ?? 1)
const histories = Number(process.env.PARLEY_TEST_HISTORIES ?? 40)
/** Histories in which a planted fault must be seen. */
const sabotagedMax = 600
t.setTimeout(300_000)

t.test('nothing acknowledged is lost, repeated or out of order, and every hole ends', async (t) => {
  let voids = 0
  for (let seed = firstSeed; seed < firstSeed + histories; seed++) {
    const history = await runPositions({ seed })
    voids += history.voids
    t.strictSame(history.violations, [], `PARLEY_TEST_SEED=${seed} PARLEY_TEST_HISTORIES=1`)
  }
  t.ok(voids > 0, 'positions were given up')
})

t.test('a history is repeated by its seed', async (t) => {
  t.strictSame(await runPositions({ seed: 7 }), await runPositions({ seed: 7 }))
})

for (const sabotage of sabotages) {
  t.test(`the checks see ${sabotage}`, async (t) => {
    let seed = 1
    while (seed <= sabotagedMax) {
      const { violations } = await runPositions({ seed, sabotage })
      if (violations.length > 0) break
      seed++
    }
    t.ok(seed <= sabotagedMax, `seen in history ${seed}`)
  })
}
