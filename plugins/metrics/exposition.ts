// The metrics in Prometheus' text format, and with them those of the process: CPU, memory, files,
// garbage collection, delay of the event loop. Nothing is measured of the process before the first
// scrape.

import type { Gauge } from 'prom-client'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { MetricDefinition, Readings, Sample } from '../../services/metrics/catalogue.ts'
import { metricCatalogue } from '../../services/metrics/catalogue.ts'
import type { Histogram } from '../../services/metrics/histogram.ts'
import type { OwnExposition } from '../../services/metrics/ports.ts'

/** What a registry asks of a metric; its types know only the classes of the library, which would
 * count a second time what is counted already. */
interface RegisteredMetric {
  readonly name: string
  readonly help: string
  readonly type: MetricDefinition['kind']
  readonly aggregator: NonNullable<MetricDefinition['ofSeveral']>
  /** Its lines, at a scrape. */
  get(): Promise<RegisteredMetric & { readonly values: readonly Line[] }>
}

interface Line extends Sample {
  readonly metricName?: string
}

/** Makes the exposition. `read` is called once for each scrape; what it leaves out is not there. */
export function makeExposition(read: () => Partial<Readings>): OwnExposition {
  const registry = new Registry()
  let readings: Partial<Readings> = {}
  let hasStarted = false

  const start = () => {
    hasStarted = true
    for (const [name, definition] of Object.entries(metricCatalogue)) {
      const { help, kind: type, ofSeveral: aggregator = 'sum' }: MetricDefinition = definition
      const metric = { name, help, type, aggregator }
      const get = async () => {
        const values = linesOf(name, definition, readings[name as keyof Readings])
        return { ...metric, get, values }
      }
      registry.registerMetric({ ...metric, get } satisfies RegisteredMetric as unknown as Gauge)
    }
    collectDefaultMetrics({ register: registry })
  }

  const look = () => {
    if (!hasStarted) start()
    readings = read()
  }

  return {
    contentType: registry.contentType,
    text() {
      look()
      return registry.metrics()
    },
    values() {
      look()
      return registry.getMetricsAsJSON()
    },
  }
}

function linesOf(
  name: string,
  { parts = 1 }: MetricDefinition,
  reading: Readings[keyof Readings] | undefined,
): readonly Line[] {
  if (reading === undefined) return []
  if (typeof reading === 'number') return [{ labels: {}, value: reading }]
  return 'counts' in reading ? bucketsOf(name, reading, parts) : reading
}

/** Each bucket counts what is in those below it too. */
function bucketsOf(name: string, histogram: Histogram, parts: number): readonly Line[] {
  const { bounds, counts, sum } = histogram
  let count = 0
  const buckets = [...counts].map((inBucket, index) => {
    count += inBucket
    const bound = bounds[index]
    const le = bound === undefined ? '+Inf' : String(bound / parts)
    return { metricName: `${name}_bucket`, labels: { le }, value: count }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: {}, value: sum / parts },
    { metricName: `${name}_count`, labels: {}, value: count },
  ]
}
