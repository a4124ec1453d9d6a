// Topic filters: which text is one, and what one covers, by examples and by comparing with topics.

import fc from 'fast-check'
import t from 'tap'
import { covers, isFilter, isPlainFilter } from '../../protocol/filters.ts'
import { readTopicGrants } from '../../protocol/grants.ts'
import { grantedFiltersMax } from '../../protocol/limits.ts'

t.test('wildcards stand alone in their level, and # is the last', async (t) => {
  for (const text of ['a', '/', '+', '#', 'a/+/b', '+/#', '/+', 'a//b', 'ä b/#', '$x/+']) {
    t.equal(isFilter(text), true, text)
  }
  for (const text of ['', 'a#', '#/a', 'a/#/b', 'a+', '+a/b', 'a/b+', '##', '++', 'a\0']) {
    t.equal(isFilter(text), false, text)
  }
  t.equal(isFilter('a'.repeat(65_535)), true)
  t.equal(isFilter('a'.repeat(65_536)), false)
  t.equal(isFilter('é'.repeat(32_768)), false, 'bytes count')
})

t.test('plain filters begin with the level t', async (t) => {
  for (const text of ['t/', 't/a', 't/#', 't/+/b']) t.equal(isPlainFilter(text), true, text)
  for (const text of ['t', '#', '+/a', 'T/a', '/t/a', 'tt/a', 't/a#', 'u/bob/msg', '$t/a']) {
    t.equal(isPlainFilter(text), false, text)
  }
  t.equal(isPlainFilter(`t${'/'.repeat(99)}`), true)
  t.equal(isPlainFilter(`t${'/'.repeat(100)}`), false, '101 levels')
})

const level = fc.constantFrom('a', 'b', '')
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
const filter = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '', '+'), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'))

/** All topics of up to five levels of these names. */
const names = ['a', 'b', '', 'c']
function topicsOf(levels: number): string[] {
  if (levels === 1) return names
  return topicsOf(levels - 1).flatMap((above) => names.map((name) => `${above}/${name}`))
}
const topics = [1, 2, 3, 4, 5].flatMap(topicsOf)

/** Matching as the specification words it, by a regular expression. */
function matches(filterText: string, topicText: string): boolean {
  const pattern = filterText
    .split('/')
    .map((part) => (part === '+' ? '[^/]*' : part))
    .join('/')
    .replace(/^#$/, '.*')
    .replace(/\/#$/, '(/.*)?')
  return new RegExp(`^${pattern}$`).test(topicText)
}

t.test('a filter covers a topic when it matches it', async (t) => {
  t.doesNotThrow(() => {
    fc.assert(fc.property(filter, topic, (f, x) => covers(f, x) === matches(f, x)))
  })
})

t.test('a filter covers another when it matches all topics of the other', async (t) => {
  const agrees = fc.property(filter, filter, (wide, narrow) => {
    const isCovered = topics.every((x) => !matches(narrow, x) || matches(wide, x))
    return covers(wide, narrow) === isCovered
  })
  t.doesNotThrow(() => fc.assert(agrees))
})

t.test('grants are two lists of plain filters, and nothing else', async (t) => {
  t.same(readTopicGrants(undefined), { publish: [], subscribe: [] })
  t.same(readTopicGrants({ publish: ['t/#'] }), { publish: ['t/#'], subscribe: [] })
  const many = Array.from({ length: grantedFiltersMax + 1 }, (_, i) => `t/${i}`)
  t.ok(readTopicGrants({ subscribe: many.slice(1) }))
  for (const bad of [
    null,
    [],
    't/#',
    { publish: 't/#' },
    { publish: ['#'] },
    { subscribe: ['t/#', 'u/bob/#'] },
    { publish: [1] },
    { publish: [`t/${'x'.repeat(1023)}`] },
    { subscribe: many },
    { admin: true },
  ]) {
    t.equal(readTopicGrants(bad), undefined, JSON.stringify(bad)?.slice(0, 40))
  }
})
