// Chance that can be repeated: everything a history leaves open is decided here, from its seed.

import { makeRandom as makeNumbers } from '../fault/random.ts'

export interface Random {
  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number
  chance(percent: number): boolean
  /** One of the items; undefined when there is none. */
  pick<Item>(items: readonly Item[]): Item | undefined
  /** One of at least one item. */
  choose<Item>(first: Item, ...others: readonly Item[]): Item
  /** The items in another order. */
  shuffle<Item>(items: readonly Item[]): Item[]
}

export function makeRandom(seed: number): Random {
  const next = makeNumbers(seed)
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    below,
    chance: (percent) => below(100) < percent,
    pick: (items) => items[below(items.length)],
    choose: (...items) => items[below(items.length)] as (typeof items)[0],
    shuffle(items) {
      const left = [...items]
      return items.map(() => left.splice(below(left.length), 1)[0] as (typeof items)[0])
    },
  }
}
