// The metrics of several processes as those of one. Counters, histograms and most gauges are added
// up; the rest as the catalogue and the library say (delays of the event loop: the average).

import { AggregatorRegistry } from 'prom-client'
import type { MetricValues } from '../../services/metrics/ports.ts'

/** Adds up what the processes say; their `values`. */
export async function sumMetrics(
  all: readonly MetricValues[],
): Promise<{ readonly text: string; readonly values: MetricValues }> {
  const registry = AggregatorRegistry.aggregate([...all] as object[])
  return { text: await registry.metrics(), values: await registry.getMetricsAsJSON() }
}
