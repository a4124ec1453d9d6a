// Topic filters as MQTT defines them: which text is one, and what one covers. Pure; chat has a
// narrower grammar of its own in topics.ts.

import { levelBytes, topicBytesMax, topicLevelsMax } from './limits.ts'

/** A wildcard beside something else in its level, and a `#` before something. */
const strayWildcard = /[^/][+#]|[+#][^/]|#./s

/** Whether the text is a topic filter: wildcards stand alone in their level, `#` is the last
 * [MQTT-4.7.1-2, MQTT-4.7.1-3], no NUL, not empty, not too long. Says nothing of its levels. */
export function isFilter(text: string): boolean {
  if (text.length === 0 || text.length > topicBytesMax || text.includes('\0')) return false
  return Buffer.byteLength(text) <= topicBytesMax && !strayWildcard.test(text)
}

/** Whether a topic or a filter has no more levels than are served. */
export function isShallow(text: string): boolean {
  if (text.length < topicLevelsMax) return true
  return text.split('/', topicLevelsMax + 1).length <= topicLevelsMax
}

/** Whether the text is a filter of plain topics only, which is served. */
export function isPlainFilter(text: string): boolean {
  return text.startsWith('t/') && isFilter(text) && isShallow(text)
}

/** What a filter counts for, bytes; see `filtersBytesMax`. */
export function filterBytes(filter: string): number {
  return Buffer.byteLength(filter) + filter.split('/').length * levelBytes
}

/** Whether every topic that `narrow` matches is matched by `wide`; both are filters. A topic is the
 * filter that matches itself. Says nothing of topics that begin with `$`. */
export function covers(wide: string, narrow: string): boolean {
  const [wideLevels, narrowLevels] = [wide.split('/'), narrow.split('/')]
  for (const [index, level] of wideLevels.entries()) {
    if (level === '#') return true
    const other = narrowLevels[index]
    if (other === undefined || other === '#') return false
    if (level !== '+' && level !== other) return false
  }
  return wideLevels.length === narrowLevels.length
}
