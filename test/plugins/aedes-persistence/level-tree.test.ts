// The tree of levels against matching as the specification words it, and its cost.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { LevelTree } from '../../../plugins/aedes-persistence/level-tree.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const names = ['a', 'b', '', '$x', 'a-name-that-is-not-copied-when-cut']
const topic = fc
  .array(fc.constantFrom(...names), { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join('/'))
const filter = fc
  .tuple(fc.array(fc.constantFrom(...names, '+'), { maxLength: 4 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen || levels.length === 0 ? ['#'] : [])].join('/'))

/** Section 4.7 of the specification, as a regular expression. */
function matches(filterText: string, topicText: string): boolean {
  if (/^[+#]/.test(filterText) && topicText.startsWith('$')) return false
  const pattern = filterText
    .split('/')
    .map((part) => (part === '+' ? '[^/]*' : part.replace('$', '\\$')))
    .join('/')
    .replace(/^#$/, '.*')
    .replace(/\/#$/, '(/.*)?')
  return new RegExp(`^${pattern}$`).test(topicText)
}

async function all<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const found = []
  for await (const value of values) found.push(value)
  return found
}

function treeOf(texts: readonly string[], removed: readonly string[]): LevelTree<string> {
  const tree = new LevelTree<string>()
  for (const text of texts) tree.set(text, text)
  for (const text of removed) tree.delete(text)
  return tree
}

t.test('a topic finds the filters that match it [MQTT-4.7.1-2, 4.7.1-3, 4.7.2-1]', async (t) => {
  const agrees = fc.property(fc.array(filter), fc.array(filter), topic, (kept, removed, name) => {
    const expected = new Set(kept.filter((it) => !removed.includes(it) && matches(it, name)))
    t.same(treeOf(kept, removed).ofFiltersFor(name).sort(), [...expected].sort())
  })
  fc.assert(agrees)
})

t.test('a filter finds the topics it matches [MQTT-4.7.1-2, 4.7.1-3, 4.7.2-1]', async (t) => {
  const agrees = fc.asyncProperty(
    fc.array(topic),
    fc.array(topic),
    filter,
    async (kept, removed, wanted) => {
      const expected = new Set(kept.filter((it) => !removed.includes(it) && matches(wanted, it)))
      const found = await all(treeOf(kept, removed).ofTopicsFor(wanted))
      t.same(found.sort(), [...expected].sort())
    },
  )
  await fc.assert(agrees)
})

t.test('nothing is left of what was deleted', async (t) => {
  const tree = treeOf(['a/b', 'a/c'], ['a/none', 'a/b/c', 'a/b/c/d'])
  t.same((await all(tree.ofTopicsFor('#'))).sort(), ['a/b', 'a/c'], 'what is unknown is no matter')
  const heapBytes = () => {
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  const before = heapBytes()
  for (let n = 0; n < 2000; n++) tree.set(`${n}${'/x'.repeat(99)}`, 'x')
  t.ok(heapBytes() - before > 10_000_000)
  for (let n = 0; n < 2000; n++) tree.delete(`${n}${'/x'.repeat(99)}`)
  t.ok(heapBytes() - before < 3_000_000)
})

t.test('a tree may change while it is walked', async (t) => {
  const tree = treeOf(['a/1', 'a/2', 'a/3'], [])
  const seen = []
  for await (const value of tree.ofTopicsFor('a/#')) {
    seen.push(value)
    tree.delete('a/2')
    if (value === 'a/3') tree.set('a/4', 'a/4')
  }
  t.same(seen, ['a/1', 'a/3', 'a/4'])
})

t.test('a long walk lets others have their turn', async (t) => {
  const tree = new LevelTree<number>()
  for (let n = 0; n < 20_000; n++) tree.set(`t/${n}/x`, n)
  let turns = 0
  const timer = setInterval(() => turns++, 0)
  t.same(await all(tree.ofTopicsFor('t/+/y')), [])
  clearInterval(timer)
  t.ok(turns > 5, `${turns} turns`)
})

t.test('what a topic costs does not grow with the filters that begin otherwise', async (t) => {
  const tree = new LevelTree<number>()
  for (let n = 0; n < 20_000; n++) tree.set(`t/${n}/+/#`, n)
  const began = performance.now()
  for (let n = 0; n < 1000; n++) tree.ofFiltersFor(`t/${n}/x/y`)
  t.ok(performance.now() - began < 1000, 'a scan of all would take 20 million steps')
})
