// The long run of the simulated cluster: `npm run test:positions`, of a million steps and more.
// PARLEY_TEST_SEED is the first seed, PARLEY_TEST_STEPS how many steps are made at least,
// PARLEY_TEST_SABOTAGE a fault to plant.

import { runPositions } from './history.ts'
import type { Sabotage } from './sabotage.ts'

const { PARLEY_TEST_SEED: first = 1, PARLEY_TEST_STEPS: wanted = 3_000_000 } = process.env
const sabotage = process.env.PARLEY_TEST_SABOTAGE as Sabotage | undefined

let steps = 0
let entries = 0
let voids = 0
let wrong = 0
let seed = Number(first)
for (; steps < Number(wanted); seed++) {
  const history = await runPositions({ seed, sabotage })
  steps += history.steps
  entries += history.entries
  voids += history.voids
  if (history.violations.length === 0) continue
  wrong++
  console.log(`seed ${seed}: ${history.violations.slice(0, 5).join('; ')}`)
}
const histories = seed - Number(first)
console.log(`${histories} histories, ${steps} steps, ${entries} entries, ${voids} voids`)
console.log(`${wrong} histories violate something`)
process.exitCode = wrong > 0 ? 1 : 0
