// Values under texts of levels, topics or filters, in a tree that has a step for each level. Finds
// the filters that match a topic, and the topics that a filter matches, by the rules of MQTT, and
// visits only what matches so far. Nothing recurses, so that any number of levels is harmless.

interface Node<Value> {
  children: Map<string, Node<Value>> | undefined
  value: Value | undefined
}

/** A part cut out of a text keeps all of it in memory; up to so many characters are copied. */
const copiedLengthMax = 12

/** Nodes visited without finding anything before others have their turn. */
const visitsPerTurn = 1000

export class LevelTree<Value> {
  readonly #root: Node<Value> = { children: undefined, value: undefined }

  get(text: string): Value | undefined {
    let node: Node<Value> | undefined = this.#root
    for (const level of text.split('/')) node = node?.children?.get(level)
    return node?.value
  }

  set(text: string, value: Value): void {
    let node = this.#root
    for (const level of text.split('/')) node = childOf(node, level)
    node.value = value
  }

  delete(text: string): void {
    const levels = text.split('/')
    const path = [this.#root]
    for (const level of levels) {
      const node = path.at(-1)?.children?.get(level)
      if (node === undefined) return
      path.push(node)
    }
    const last = path.at(-1) as Node<Value>
    last.value = undefined
    for (let depth = levels.length; depth > 0; depth--) {
      const node = path[depth] as Node<Value>
      if (node.value !== undefined || node.children !== undefined) return
      const parent = path[depth - 1] as Node<Value>
      parent.children?.delete(levels[depth - 1] as string)
      if (parent.children?.size === 0) parent.children = undefined
    }
  }

  /** The values of all filters that match the topic: `+` matches an empty level, too
   * [MQTT-4.7.1-3], `#` the level above it [MQTT-4.7.1-2], and a wildcard at the beginning no topic
   * that begins with `$` [MQTT-4.7.2-1]. */
  ofFiltersFor(topic: string): Value[] {
    const values: Value[] = []
    const collect = (node: Node<Value> | undefined) => {
      if (node?.value !== undefined) values.push(node.value)
    }
    let nodes = [this.#root]
    let mayBeWild = !topic.startsWith('$')
    for (const level of topic.split('/')) {
      const next: Node<Value>[] = []
      for (const { children } of nodes) {
        const any = mayBeWild ? children?.get('+') : undefined
        const same = children?.get(level)
        if (mayBeWild) collect(children?.get('#'))
        if (any !== undefined) next.push(any)
        if (same !== undefined) next.push(same)
      }
      if (next.length === 0) return values
      nodes = next
      mayBeWild = true
    }
    for (const node of nodes) {
      collect(node)
      collect(node.children?.get('#'))
    }
    return values
  }

  /** The values of all topics that the filter matches, by the same rules. The tree may change
   * meanwhile: what comes is what is there when it is asked for. */
  async *ofTopicsFor(filter: string): AsyncGenerator<Value> {
    const levels = filter.split('/')
    const walks = [stepsBelow({ node: this.#root, depth: 0 }, levels, !/^[+#]/.test(filter))]
    let visits = 0
    for (let walk = walks.at(-1); walk !== undefined; walk = walks.at(-1)) {
      if (++visits % visitsPerTurn === 0) await nextTurn()
      const { value: step } = walk.next()
      if (!step) {
        walks.pop()
        continue
      }
      const { node, depth } = step
      const isMatch = depth === levels.length || levels[depth] === '#'
      if (isMatch && node.value !== undefined) yield node.value
      if (depth < levels.length && node.children) walks.push(stepsBelow(step, levels, true))
    }
  }
}

/** A node, and how many levels of the filter have matched on the way to it; a `#` stays ahead. */
interface Step<Value> {
  readonly node: Node<Value>
  readonly depth: number
}

/** The steps from one node to those below it. */
function* stepsBelow<Value>(
  { node: { children }, depth }: Step<Value>,
  levels: readonly string[],
  mayBeDollar: boolean,
): Generator<Step<Value>, undefined> {
  const level = levels[depth] as string
  if (level !== '+' && level !== '#') {
    const node = children?.get(level)
    if (node !== undefined) yield { node, depth: depth + 1 }
    return
  }
  for (const [name, node] of children ?? []) {
    if (!mayBeDollar && name.startsWith('$')) continue
    yield { node, depth: level === '#' ? depth : depth + 1 }
  }
}

function childOf<Value>(node: Node<Value>, level: string): Node<Value> {
  node.children ??= new Map()
  const known = node.children.get(level)
  if (known !== undefined) return known
  const child: Node<Value> = { children: undefined, value: undefined }
  const isCopied = level.length <= copiedLengthMax
  node.children.set(isCopied ? level : Buffer.from(level).toString(), child)
  return child
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
