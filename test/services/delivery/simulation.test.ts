// Random histories of the delivery engine: no device loses, repeats or reorders an entry. Each
// kind of fault is planted once, to show that the checker sees it. PARLEY_TEST_SEED begins at
// another seed.

import t from 'tap'
import type { Entry } from '../../../protocol/entry.ts'
import { type SimulationOptions, simulate } from './support/simulation.ts'

const firstSeed = Number(process.env.PARLEY_TEST_SEED ?? 1)

/** Runs histories; returns the violations of the first that has some. */
async function firstViolation(
  count: number,
  options: Omit<SimulationOptions, 'seed'>,
): Promise<{ readonly seed: number; readonly violations: readonly string[] } | undefined> {
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const violations = await simulate({ ...options, seed })
    if (violations.length > 0) return { seed, violations: violations.slice(0, 5) }
  }
  return undefined
}

t.test('700 histories in which announcements come late, twice and out of order', async (t) => {
  t.same(await firstViolation(700, {}), undefined)
})

t.test('700 histories in which announcements are lost too', async (t) => {
  t.same(await firstViolation(700, { isLossy: true }), undefined)
})

t.test('400 histories with crashes and cursors that cannot be written', async (t) => {
  t.same(await firstViolation(400, { isLossy: true, isHarsh: true }), undefined)
})

t.test('700 histories without the repair: every wake-up is right', async (t) => {
  t.same(await firstViolation(700, { hasRepair: false }), undefined)
})

const without = (seq: number) => (entries: readonly Entry[]) =>
  entries.filter((entry) => entry.seq !== seq)

const planted: Record<string, Omit<SimulationOptions, 'seed'>> = {
  'a read that leaves out an entry': {
    plant: (memory) => {
      memory.spoilRead = without(3)
    },
  },
  'a read that gives an entry the position of the one before': {
    plant: (memory) => {
      memory.spoilRead = (entries) =>
        entries
          .filter(({ seq }) => seq !== 3)
          .map((it) => (it.seq > 3 ? { ...it, seq: it.seq - 1 } : it))
    },
  },
  'a store that forgets cursors': {
    plant: (memory) => {
      for (const { cursors } of memory.devices.values()) cursors.set = () => cursors
    },
  },
  'a store that keeps cursors one too high': {
    plant: (memory) => {
      for (const { cursors } of memory.devices.values()) {
        const set = cursors.set.bind(cursors)
        cursors.set = (id, it) => set(id, { ...it, acked: it.acked + 1, sent: it.sent + 1 })
      }
    },
  },
  'a store that says more was sent than was': {
    plant: (memory) => {
      for (const { cursors } of memory.devices.values()) {
        const set = cursors.set.bind(cursors)
        cursors.set = (id, it) => set(id, { ...it, sent: it.sent + 5 })
      }
    },
  },
  'an announcement that never comes, and no repair': { hasRepair: false, isLastUnheard: true },
  'memberships that are never ended': {
    plant: (memory) => {
      memory.leave = () => {}
      for (const { members } of memory.rooms.values()) members.delete = () => true
    },
  },
}

for (const [fault, options] of Object.entries(planted)) {
  t.test(`the checker sees ${fault}`, async (t) => {
    t.not(await firstViolation(200, options), undefined)
  })
}
