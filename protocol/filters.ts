// Topic filters as MQTT defines them: which text is one, and what one covers. Pure; chat has a
// narrower grammar of its own in topics.ts.

import { topicBytesMax, topicLevelsMax } from './limits.ts'

/** Whether the text is a topic filter: wildcards stand alone in their level, `#` is the last
 * [MQTT-4.7.1-2, MQTT-4.7.1-3], no NUL, not empty, within the bounds on topics. */
export function isFilter(text: string): boolean {
  if (text.length === 0 || text.length > topicBytesMax || text.includes('\0')) return false
  if (Buffer.byteLength(text) > topicBytesMax) return false
  const levels = text.split('/')
  if (levels.length > topicLevelsMax) return false
  return levels.every((level, index) => {
    if (level === '#') return index === levels.length - 1
    return level === '+' || !/[+#]/.test(level)
  })
}

/** Whether the text is a filter of plain topics only. */
export function isPlainFilter(text: string): boolean {
  return text.startsWith('t/') && isFilter(text)
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
