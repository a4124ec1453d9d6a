// What can go wrong in a history. Each theme has a test file of its own, so that they run side by
// side, and so that a violation says at once which kind of trouble it needs.

import type { Mood } from './store.ts'

export interface Theme {
  readonly name: string
  /** The store at its worst. */
  readonly mood: Mood
  /** Whether announcements of the log are lost, late, twice or out of order. */
  readonly losesAnnouncements: boolean
  /** Whether the process crashes, and stops and starts. */
  readonly dies: boolean
  /** Whether the repair timer runs; without it every wake-up must be right. */
  readonly hasRepair: boolean
}

export const themes = {
  normal: {
    name: 'normal',
    mood: { delayed: 40, failing: 0 },
    losesAnnouncements: false,
    dies: false,
    hasRepair: false,
  },
  lossy: {
    name: 'lossy',
    mood: { delayed: 40, failing: 0 },
    losesAnnouncements: true,
    dies: false,
    hasRepair: true,
  },
  harsh: {
    name: 'harsh',
    mood: { delayed: 60, failing: 25 },
    losesAnnouncements: true,
    dies: false,
    hasRepair: true,
  },
  restarts: {
    name: 'restarts',
    mood: { delayed: 40, failing: 5 },
    losesAnnouncements: true,
    dies: true,
    hasRepair: true,
  },
} as const satisfies Record<string, Theme>
